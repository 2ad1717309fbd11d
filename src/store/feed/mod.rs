//! The changes of clients in the order in which they become visible, for those that watch. One task of a server reads them,
//! for all streams; a stream that begins before them reads the database until it has caught up.
//! `docs/decisions/watching.md` has the reasons.

mod change;
mod clients;
mod incarnation;
mod read;
mod ring;
mod run;
mod sql;
#[cfg(test)]
mod tests;
mod watching;

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};

use self::ring::Ring;
pub(super) use self::sql::{POSTGRES_HEAD, POSTGRES_SLICE, SQLITE_HEAD, SQLITE_SLICE};
pub use self::{
    change::WatchedChange,
    read::{Head, WatchScope},
    watching::{Live, WatchError, Watching},
};

/// The changes that streams share.
#[derive(Debug)]
pub(super) struct Feed {
    state: Mutex<State>,
    /// Wakes the task that reads changes.
    wanted: Notify,
    /// Wakes the streams that wait for a head.
    advanced: Notify,
    /// Wakes the streams that wait for changes.
    published: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct State {
    ring: Ring,
    /// The number of streams.
    watching: usize,
    /// The number of looks that have begun.
    looks: u64,
    /// The number of times that the database was read.
    reads: u64,
    last: Option<Published>,
    /// Is `true` if streams have to end.
    is_closed: bool,
}

/// The last time up to which all changes were read.
#[derive(Debug, Clone)]
struct Published {
    head: Head,
    /// The number of the look that found it.
    look: u64,
    /// The number of the first change in the ring that was not visible.
    next: u64,
}

impl Feed {
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::default(),
            wanted: Notify::new(),
            advanced: Notify::new(),
            published: watch::Sender::new(()),
        }
    }

    /// Returns `true` if somebody watches.
    pub(super) fn is_watched(&self) -> bool {
        self.lock().watching > 0
    }

    /// Has the changes read that became visible, if somebody watches.
    pub(super) fn changed(&self) {
        if self.is_watched() {
            self.wanted.notify_one();
        }
    }

    /// Lets all streams end.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.wake_all();
    }

    fn wake_all(&self) {
        self.published.send_replace(());
        self.advanced.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Each change of the state is complete before anything can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
