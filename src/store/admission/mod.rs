//! Limits on the requests that are at the database at a time, apart for reads, lists and changes. A request beyond the limit
//! waits for a short time, and is refused after that: `docs/decisions/overload.md` says why.
//!
//! A permit is taken right before a request asks for a connection, and given back with it. So a request that memory
//! answers, that waits for the fence, or whose body is still arriving holds none.

mod gate;

use std::{fmt, num::NonZeroU32, sync::Arc, time::Duration};

pub(super) use self::gate::Permit;
use self::gate::{Gate, Refused};
use super::StoreError;

/// A kind of work, which has a limit of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Reading one client, or using an assertion.
    Read,
    /// Reading a page of clients.
    List,
    /// Adding or changing a client.
    Change,
}

impl Work {
    /// Every kind of work.
    pub const ALL: [Self; 3] = [Self::Read, Self::List, Self::Change];

    /// Returns the name that operators see.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "reads",
            Self::List => "lists",
            Self::Change => "changes",
        }
    }
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The numbers of requests that may be at the database at a time, and the time that others wait for their turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkLimits {
    /// The maximum number of reads of one client.
    pub reads: NonZeroU32,
    /// The maximum number of lists.
    pub lists: NonZeroU32,
    /// The maximum number of changes.
    pub changes: NonZeroU32,
    /// The maximum time that a request waits for one of the others to end.
    pub queue_time: Duration,
}

impl Default for WorkLimits {
    fn default() -> Self {
        let limit = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        Self {
            reads: limit(128),
            lists: limit(32),
            changes: limit(64),
            queue_time: Duration::from_millis(500),
        }
    }
}

/// The requests of one kind at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkLoad {
    /// Those that are at the database.
    pub in_flight: usize,
    /// Those that wait for their turn.
    pub waiting: usize,
    /// Those that were refused so far.
    pub shed: u64,
}

/// Admits work within its limits.
pub(super) struct Admission {
    reads: Arc<Gate>,
    lists: Arc<Gate>,
    changes: Arc<Gate>,
    queue_time: Duration,
}

impl Admission {
    pub(super) fn new(limits: WorkLimits) -> Self {
        let gate = |limit: NonZeroU32| Arc::new(Gate::new(limit.get() as usize));
        Self {
            reads: gate(limits.reads),
            lists: gate(limits.lists),
            changes: gate(limits.changes),
            queue_time: limits.queue_time,
        }
    }

    /// Waits for a permit. Dropping the future leaves the queue.
    ///
    /// # Errors
    /// If there is none within the time for it.
    pub(super) async fn permit(&self, work: Work) -> Result<Permit, StoreError> {
        let permit = self.gate(work).enter(self.queue_time).await;
        permit.map_err(|Refused| StoreError::Overloaded(work))
    }

    pub(super) fn load(&self, work: Work) -> WorkLoad {
        self.gate(work).load()
    }

    fn gate(&self, work: Work) -> &Arc<Gate> {
        match work {
            Work::Read => &self.reads,
            Work::List => &self.lists,
            Work::Change => &self.changes,
        }
    }
}
