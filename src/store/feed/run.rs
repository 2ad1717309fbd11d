//! The task that reads changes for all streams of a server.

use std::time::Duration;

use super::{
    Feed, Published,
    change::WatchedChange,
    clients::parts,
    read::{Head, WatchScope},
};
use crate::{
    domain::change_position::Position,
    error_chain::error_chain,
    store::{Store, error::StoreError},
};

/// The interval at which SQLite is asked for changes while somebody watches. It costs less than a request.
const SQLITE_INTERVAL: Duration = Duration::from_millis(50);
/// The interval at which PostgreSQL is asked though no look found a change, so that positions do not become old.
const IDLE_INTERVAL: Duration = Duration::from_secs(4);
/// The time after which reading is tried again.
const RETRY: Duration = Duration::from_millis(200);
/// The pause after a slice that others follow, so that streams keep up with changes that become visible all at once.
const PAUSE: Duration = Duration::from_millis(50);

/// Changes that are being read, up to a time.
struct Unread {
    position: Position,
    until: Head,
    look: u64,
}

impl Store {
    /// Reads the changes for all streams, until it is dropped.
    pub async fn run_feed(&mut self) {
        // A task before this one may have left off anywhere.
        self.feed.restart();
        let interval = if self.url.is_sqlite() {
            SQLITE_INTERVAL
        } else {
            IDLE_INTERVAL
        };
        let mut unread = None;
        let mut fails = false;
        loop {
            if !self.feed.idle(&mut unread) {
                let outcome = self.read_feed(&mut unread).await;
                match &outcome {
                    Ok(()) if fails => tracing::info!("changes are read again"),
                    Err(error) if !fails => {
                        tracing::warn!(cause = error_chain(error), "changes not read");
                    }
                    _ => {}
                }
                fails = outcome.is_err();
            }
            if fails {
                tokio::time::sleep(RETRY).await;
            } else if self.feed.is_watched() {
                // A change that was found makes it end early.
                let _elapsed = tokio::time::timeout(interval, self.feed.wanted.notified()).await;
            } else {
                self.feed.wanted.notified().await;
            }
        }
    }

    /// Reads all changes that are visible. What was left unread at a failure is read first, up to the time of then.
    async fn read_feed(&self, unread: &mut Option<Unread>) -> Result<(), StoreError> {
        if unread.is_none() {
            *unread = self.look().await?;
        }
        let everything = WatchScope::default();
        while let Some(now) = unread {
            if now.position.is_after(&now.until.seen) {
                self.feed.publish_head(now.until.clone(), now.look);
                *unread = None;
            } else {
                now.position = self.read_slice(&now.position, &now.until, &everything).await?;
            }
        }
        Ok(())
    }

    /// Finds the changes that are visible. There are none to read if nothing before them was read.
    async fn look(&self) -> Result<Option<Unread>, StoreError> {
        let look = self.feed.begin_look();
        let until = self.head_of_changes().await?;
        let position = self.feed.continue_from(&until);
        if position.is_none() {
            self.feed.publish_head(until.clone(), look);
            self.feed.published.send_replace(());
        }
        Ok(position.map(|position| Unread {
            position,
            until,
            look,
        }))
    }

    /// Reads and publishes a slice, and returns the position after it.
    async fn read_slice(
        &self,
        position: &Position,
        until: &Head,
        scope: &WatchScope,
    ) -> Result<Position, StoreError> {
        let slice = self.slice_of_changes(position, &until.seen, scope).await?;
        let mut changes = Vec::with_capacity(slice.changes.len());
        for mut part in parts(slice.changes) {
            self.add_clients(&mut part).await?;
            changes.extend(part);
        }
        self.feed.publish(changes);
        if !slice.position.is_after(&until.seen) {
            tokio::time::sleep(PAUSE).await;
        }
        Ok(slice.position)
    }
}

impl Feed {
    fn publish(&self, changes: Vec<WatchedChange>) {
        let is_empty = changes.is_empty();
        {
            let mut state = self.lock();
            state.reads += 1;
            for change in changes {
                state.ring.push(change);
            }
        }
        if !is_empty {
            self.published.send_replace(());
        }
    }

    fn restart(&self) {
        let mut state = self.lock();
        state.ring.clear();
        state.last = None;
        drop(state);
        self.wake_all();
    }

    /// Empties the ring if nobody watches. A stream that begins from now on begins after that.
    fn idle(&self, unread: &mut Option<Unread>) -> bool {
        let mut state = self.lock();
        let is_idle = state.watching == 0;
        if is_idle && state.last.take().is_some() {
            state.ring.clear();
        }
        drop(state);
        if is_idle {
            *unread = None;
        }
        is_idle
    }

    fn begin_look(&self) -> u64 {
        let mut state = self.lock();
        state.looks += 1;
        state.looks
    }

    /// Returns the position from which changes are read; `None` if there is no earlier one of this database.
    fn continue_from(&self, head: &Head) -> Option<Position> {
        let mut state = self.lock();
        let last = state.last.as_ref()?;
        if last.head.incarnation == head.incarnation {
            return Some(Position::after(last.head.seen.clone()));
        }
        state.last = None;
        state.ring.clear();
        None
    }

    fn publish_head(&self, head: Head, look: u64) {
        let mut state = self.lock();
        state.reads += 1;
        let next = state.ring.end();
        state.last = Some(Published { head, look, next });
        drop(state);
        self.advanced.notify_waiters();
    }
}
