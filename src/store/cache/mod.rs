//! The clients in memory, and what keeps them coherent with the database: a read sees every change that was acknowledged
//! before the read began, whichever replica made it. `docs/decisions/cache.md` has the proof.

mod encoded;
mod entries;
mod fence;
mod freshness;
mod progress;
#[cfg(test)]
mod simulation;
mod stored_client;
mod watch;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::Notify;

pub use self::{
    encoded::Encoded,
    fence::{Fence, InvalidFence},
    stored_client::StoredClient,
    watch::Watch,
};
use self::{entries::Entries, freshness::Freshness};
pub(super) use self::{
    entries::Fill,
    fence::{FenceChanged, HeldFence},
    freshness::Instant,
};
use crate::{
    domain::ids::ClientId,
    telemetry::metrics::{Memory, observe_memory},
};

/// The clients in memory of one server.
pub(super) struct Cache {
    /// `None` if memory is switched off.
    clients: Option<Entries<Arc<StoredClient>>>,
    coherence: Coherence,
    reads: Arc<Reads>,
}

/// The reads of clients that memory could answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryReads {
    /// Those that it answered.
    pub hits: u64,
    /// All of them.
    pub all: u64,
}

/// The numbers of reads, by what memory had for them.
#[derive(Debug, Default)]
struct Reads {
    hits: AtomicU64,
    misses: AtomicU64,
    stale: AtomicU64,
}

/// The clients in memory, each as new as when this was made, or newer.
pub(super) struct Current<'a>(&'a Entries<Arc<StoredClient>>);

/// The rule by which clients in memory are known to be current.
enum Coherence {
    /// This server is the only one, and drops a client from memory before it acknowledges a change.
    Alone(Outcomes),
    /// Every server watches the changes of all of them, and waits out the fence before it acknowledges its own.
    Watched(Freshness),
}

/// The transactions whose outcome this process does not know, and which may still be committed.
#[derive(Debug, Default)]
struct Outcomes {
    unknown: AtomicU64,
    settled: AtomicU64,
    wanted: Notify,
}

impl Cache {
    fn new(bytes: u64, coherence: Coherence) -> Self {
        Self {
            clients: (bytes > 0).then(|| Entries::new(bytes)),
            coherence,
            reads: Arc::default(),
        }
    }

    /// Creates the memory of the only server of a database.
    pub(super) fn alone(bytes: u64) -> Self {
        Self::new(bytes, Coherence::Alone(Outcomes::default()))
    }

    /// Creates the memory of one of several servers of a database.
    pub(super) fn watched(bytes: u64, fence: Fence) -> Self {
        Self::new(bytes, Coherence::Watched(Freshness::new(fence.duration())))
    }

    /// Returns a client, if memory holds it and is current. The check comes first: a client that is taken after it is as
    /// new as the check says.
    pub(super) async fn get(&self, id: &ClientId) -> Option<Arc<StoredClient>> {
        let clients = self.clients.as_ref()?;
        let is_current = self.is_current().await;
        let found = if is_current { clients.get(id) } else { None };
        let count = match (is_current, &found) {
            (false, _) => &self.reads.stale,
            (true, None) => &self.reads.misses,
            (true, Some(_)) => &self.reads.hits,
        };
        count.fetch_add(1, Ordering::Relaxed);
        found
    }

    /// Returns the clients in memory, if they are current.
    pub(super) async fn current(&self) -> Option<Current<'_>> {
        let clients = self.clients.as_ref()?;
        self.is_current().await.then_some(Current(clients))
    }

    async fn is_current(&self) -> bool {
        match &self.coherence {
            Coherence::Alone(outcomes) => outcomes.are_known(),
            Coherence::Watched(freshness) => freshness.is_fresh() || freshness.refreshed().await,
        }
    }

    /// Returns the time since the last look began; `None` before the first one, and where there are none.
    fn check_age(&self) -> Option<Duration> {
        match &self.coherence {
            Coherence::Alone(_) => None,
            Coherence::Watched(freshness) => freshness.age(),
        }
    }

    /// Returns the numbers of reads so far.
    pub(super) fn reads(&self) -> MemoryReads {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let hits = count(&self.reads.hits);
        MemoryReads {
            hits,
            all: hits + count(&self.reads.misses) + count(&self.reads.stale),
        }
    }

    /// Exports the numbers of reads, and the size of memory.
    pub(super) fn observe(self: &Arc<Self>) {
        let reads = self.reads.clone();
        let cache = Arc::downgrade(self);
        observe_memory(move || {
            let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
            let cache = cache.upgrade();
            let cache = cache.as_deref();
            let clients = cache.and_then(|cache| cache.clients.as_ref());
            Memory {
                hits: count(&reads.hits),
                misses: count(&reads.misses),
                stale: count(&reads.stale),
                bytes: clients.map_or(0, Entries::weight),
                check_age: cache.and_then(Self::check_age),
            }
        });
    }

    /// Begins to fill memory with a client, before it is read from the database.
    pub(super) fn begin_fill(&self, id: &ClientId) -> Fill {
        self.clients
            .as_ref()
            .map(|clients| clients.begin_fill(id))
            .unwrap_or_default()
    }

    /// Adds a client that was read after the fill began, unless it was dropped since.
    pub(super) fn fill(&self, fill: Fill, client: &Arc<StoredClient>) {
        if let Some(clients) = &self.clients
            && !client.is_deleted()
        {
            clients.fill(fill, client.id(), client.clone());
        }
    }

    /// Drops a client after a change of it has ended, or may have.
    pub(super) fn changed(&self, id: &ClientId, outcome_is_known: bool) {
        self.drop_one(id);
        if let Coherence::Alone(outcomes) = &self.coherence
            && !outcome_is_known
        {
            outcomes.add_unknown();
        }
    }
}

impl Cache {
    fn drop_one(&self, id: &ClientId) {
        if let Some(clients) = &self.clients {
            clients.drop_one(id);
        }
    }

    fn drop_all(&self) {
        if let Some(clients) = &self.clients {
            clients.drop_all();
        }
    }
}

impl Current<'_> {
    /// Returns a client, if it is held in this version.
    pub(super) fn get_version(&self, id: &ClientId, version: i64) -> Option<Arc<StoredClient>> {
        self.0.get(id).filter(|client| client.version() == version)
    }
}

impl Outcomes {
    fn are_known(&self) -> bool {
        self.unknown.load(Ordering::Acquire) == self.settled.load(Ordering::Acquire)
    }

    fn add_unknown(&self) {
        self.unknown.fetch_add(1, Ordering::AcqRel);
        self.wanted.notify_one();
    }

    /// Returns the number of transactions whose outcome was unknown so far.
    fn unknown(&self) -> u64 {
        self.unknown.load(Ordering::Acquire)
    }

    /// Records that as many of them have ended, and that clients in memory were dropped since.
    fn settle(&self, unknown: u64) {
        self.settled.store(unknown, Ordering::Release);
    }
}
