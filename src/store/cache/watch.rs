//! Watching the changes that all servers of a PostgreSQL database make, and waiting until the transactions of unknown outcome
//! of a SQLite database have ended.

use std::{fmt, time::Duration};

use tokio::time::timeout;

use super::{
    Cache, Coherence, Outcomes,
    freshness::{Freshness, Instant},
    progress::Progress,
};
use crate::{
    error_chain::error_chain,
    store::{Store, changes::LookError, error::StoreError, session::Session},
};

/// The longest that a look may take.
const LOOK_TIMEOUT: Duration = Duration::from_secs(2);
/// The interval at which a server looks for changes while nobody reads from its memory. It keeps the
/// [lease](super::fence::LEASE) of the fence.
const IDLE: Duration = Duration::from_secs(1);
/// The interval at which a server looks for changes while somebody watches them.
const WATCHED: Duration = Duration::from_millis(100);
/// The time after which a server looks again after a look failed.
const RETRY: Duration = Duration::from_millis(200);

/// Keeps the memory of a server coherent with the database, and is the sign that the server runs.
pub struct Watch {
    pub(in crate::store) store: Store,
    pub(in crate::store) session: Option<Session>,
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}

impl Watch {
    /// Watches until it is dropped.
    ///
    /// After it was dropped or panicked, reads do not wait for a look, and it can run again.
    pub async fn run(&mut self) {
        let Self { store, session } = self;
        let cache = &*store.cache;
        match &cache.coherence {
            Coherence::Alone(outcomes) => settle(store, cache, outcomes).await,
            Coherence::Watched(freshness) => {
                let _failing_in_the_end = FailAtEnd(freshness);
                let mut watcher = Watcher {
                    cache,
                    freshness,
                    session: session.take().map(|session| (session, Progress::default())),
                };
                watcher.run(store).await;
            }
        }
    }
}

/// Waits for transactions of unknown outcome: the next one begins only after they have ended.
async fn settle(store: &Store, cache: &Cache, outcomes: &Outcomes) {
    loop {
        while !outcomes.are_known() {
            let unknown = outcomes.unknown();
            match store.wait_for_writers().await {
                Ok(()) => {
                    cache.drop_all();
                    outcomes.settle(unknown);
                }
                Err(error) => {
                    tracing::warn!(cause = error_chain(&error), "outcome of a change still unknown");
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
        outcomes.wanted.notified().await;
    }
}

/// Sends reads to the database when nobody looks for changes any more.
struct FailAtEnd<'a>(&'a Freshness);

impl Drop for FailAtEnd<'_> {
    fn drop(&mut self) {
        self.0.fail();
    }
}

/// Looks for the changes of all servers.
struct Watcher<'a> {
    cache: &'a Cache,
    freshness: &'a Freshness,
    /// A session and its looks; `None` after a look failed.
    session: Option<(Session, Progress)>,
}

impl Watcher<'_> {
    async fn run(&mut self, store: &Store) {
        let mut fails = false;
        loop {
            let began = Instant::now();
            let pause = match self.look(store, began).await {
                Ok(()) => {
                    if fails {
                        tracing::info!("clients are read from memory again");
                    }
                    fails = false;
                    self.pause(store, began)
                }
                Err(error) => {
                    self.session = None;
                    self.freshness.fail();
                    if !fails {
                        tracing::warn!(cause = error_chain(&error), "clients are not read from memory");
                    }
                    fails = true;
                    RETRY
                }
            };
            if fails {
                tokio::time::sleep(pause).await;
            } else {
                // A read that waits makes it end early.
                let _elapsed = timeout(pause, self.freshness.wanted.notified()).await;
            }
        }
    }

    /// Returns the time until the next look. While reads use them, the next one finishes before the last one expires.
    fn pause(&self, store: &Store, began: Instant) -> Duration {
        let is_watched = store.feed.is_watched();
        let pause = match (self.freshness.was_used(), is_watched) {
            (true, false) => store.fence.get().duration() / 2,
            (true, true) => WATCHED.min(store.fence.get().duration() / 2),
            (false, true) => WATCHED,
            (false, false) => return IDLE,
        };
        pause.saturating_sub(Instant::now().since(began))
    }

    /// Looks for changes, drops the clients that changed, and publishes the look, in this order.
    async fn look(&mut self, store: &Store, began: Instant) -> Result<(), LookError> {
        let (session, progress) = match &mut self.session {
            Some(session) => session,
            none => none.insert((store.watch_session().await?, Progress::default())),
        };
        let look = timeout(LOOK_TIMEOUT, store.changes_since(session, progress.cursor()))
            .await
            .map_err(|_| LookError::Database(StoreError::timed_out()))??;
        let drops = progress.advance(look, began, Instant::now());
        if let Some(clients) = &self.cache.clients {
            drops.apply(clients);
        }
        store.fence.confirm(began);
        self.freshness.publish(began);
        if !drops.are_none() {
            store.feed.changed();
        }
        Ok(())
    }
}
