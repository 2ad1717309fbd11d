//! One stream that watches changes.

use std::{sync::Arc, time::Duration};

use thiserror::Error;
use tokio::sync::watch;

use super::{
    Feed,
    change::WatchedChange,
    clients::parts,
    read::{Head, WatchScope},
};
use crate::{
    domain::{change_position::Position, ids::ClientId},
    store::{Store, cache::StoredClient, error::StoreError},
};

/// The longest that a reader waits for the changes in memory, before it reads more of them from the database.
const PATIENCE: Duration = Duration::from_secs(2);

/// A reader of changes. The server reads changes for as long as there is one.
#[derive(Debug)]
pub struct Watching {
    store: Store,
    _counted: Counted,
    scope: WatchScope,
    published: watch::Receiver<()>,
    head: Head,
    /// The number of the next change in the ring after the head; `None` until the two have met.
    next: Option<u64>,
    /// The number of reads that were known last.
    reads: u64,
}

/// The state of a reader that has caught up.
#[derive(Debug)]
pub enum Live {
    /// Changes, and the position after those that are not watched behind them.
    Changes(Vec<Arc<WatchedChange>>, Option<Position>),
    /// There is nothing to read. The head is set if everything before it was read.
    Idle(Option<Head>),
    /// The next changes are no longer in memory.
    Lost,
    /// The database was restored.
    OtherDatabase,
    /// The server stops.
    Closed,
}

/// A reader cannot begin.
#[derive(Debug, Error)]
pub enum WatchError {
    /// The server stops.
    #[error("the server stops")]
    Closed,
    /// The database cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// Begins to watch changes, from now on.
    ///
    /// # Errors
    /// If the database cannot be reached, or the server stops.
    pub async fn watch_changes(&self, scope: WatchScope) -> Result<Watching, WatchError> {
        if self.feed.lock().is_closed {
            return Err(WatchError::Closed);
        }
        Ok(Watching {
            store: self.clone(),
            _counted: Counted::new(self.feed.clone()),
            scope,
            published: self.feed.published.subscribe(),
            head: self.head_of_changes().await?,
            next: None,
            reads: 0,
        })
    }

    /// Lets all who watch changes end.
    pub fn end_watching(&self) {
        self.feed.close();
    }
}

/// Counts a reader for as long as it is there.
#[derive(Debug)]
struct Counted(Arc<Feed>);

impl Counted {
    fn new(feed: Arc<Feed>) -> Self {
        feed.lock().watching += 1;
        Self(feed)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.lock().watching -= 1;
    }
}

impl Feed {
    /// Waits for a head in memory that was looked for from now on, so that it is not before any position that anybody
    /// knows. Returns `None` if the server stops, or that takes long.
    async fn fresh_head(&self) -> Option<(Head, u64)> {
        let before = self.lock().looks;
        let found = async {
            loop {
                let advanced = self.advanced.notified();
                tokio::pin!(advanced);
                advanced.as_mut().enable();
                {
                    let state = self.lock();
                    if state.is_closed {
                        return None;
                    }
                    if let Some(last) = state.last.as_ref().filter(|last| last.look > before) {
                        return Some((last.head.clone(), last.next));
                    }
                }
                self.wanted.notify_one();
                advanced.await;
            }
        };
        tokio::time::timeout(PATIENCE, found).await.unwrap_or(None)
    }
}

impl Watching {
    /// Returns the changes that were visible when this began, or began again.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Returns `true` if the changes in memory follow on the head.
    pub fn has_met(&self) -> bool {
        self.next.is_some()
    }

    /// Moves the head to one in memory, which the changes in memory follow on. If that takes long, as many changes are read
    /// at the moment, moves it to what is visible now.
    ///
    /// # Errors
    /// If the database cannot be reached.
    pub async fn meet(&mut self) -> Result<(), StoreError> {
        if let Some((head, next)) = self.store.feed.fresh_head().await {
            (self.head, self.next) = (head, Some(next));
            Ok(())
        } else {
            self.begin_again().await
        }
    }

    /// Moves the head to what is visible now. The changes in memory no longer follow on it.
    ///
    /// # Errors
    /// If the database cannot be reached.
    pub async fn begin_again(&mut self) -> Result<(), StoreError> {
        self.head = self.store.head_of_changes().await?;
        self.next = None;
        Ok(())
    }

    /// Reads some of the changes between a position and the head from the database, in parts that are made one at a time,
    /// and returns the position after them.
    ///
    /// # Errors
    /// If the database cannot be reached.
    pub async fn catch_up(
        &self,
        position: &Position,
    ) -> Result<(impl Iterator<Item = Vec<WatchedChange>> + Send + use<>, Position), StoreError> {
        let _share = self.store.admission.stream().await?;
        let slice = self
            .store
            .slice_of_changes(position, &self.head.seen, &self.scope);
        let slice = slice.await?;
        Ok((parts(slice.changes), slice.position))
    }

    /// Adds their clients to a part of the changes.
    ///
    /// # Errors
    /// If the database cannot be reached.
    pub async fn add_clients(&self, changes: &mut [WatchedChange]) -> Result<(), StoreError> {
        let _share = self.store.admission.stream().await?;
        self.store.add_clients(changes).await
    }

    /// Reads the next clients as they are, by identifier; none at the end.
    ///
    /// # Errors
    /// If the database cannot be reached.
    pub async fn clients_after(
        &self,
        after: Option<&ClientId>,
    ) -> Result<Vec<Arc<StoredClient>>, StoreError> {
        let _share = self.store.admission.stream().await?;
        self.store.clients_after(&self.scope, after).await
    }

    /// Takes the next changes after the head, once the two have [met](Self::meet).
    pub fn next_live(&mut self) -> Live {
        self.published.mark_unchanged();
        let state = self.store.feed.lock();
        if state.is_closed {
            return Live::Closed;
        }
        let last = state.last.as_ref();
        if last.is_some_and(|last| last.head.incarnation != self.head.incarnation) {
            return Live::OtherDatabase;
        }
        let taken = self.next.and_then(|next| state.ring.take(next, &self.scope));
        let Some(taken) = taken else {
            return Live::Lost;
        };
        self.next = Some(taken.next);
        if let Some(change) = taken.last {
            return Live::Changes(taken.changes, Some(change.position.clone()));
        }
        let head = last.filter(|last| last.next == taken.next);
        Live::Idle(head.map(|last| last.head.clone()))
    }

    /// Waits until there may be something to read.
    pub async fn published(&mut self) {
        // The sender lives as long as the store.
        let _closed = self.published.changed().await;
    }

    /// Returns `true` if the server stops.
    pub fn is_closed(&self) -> bool {
        self.store.feed.lock().is_closed
    }

    /// Returns `true` if the database was read since this was asked last.
    pub fn was_read(&mut self) -> bool {
        let reads = self.store.feed.lock().reads;
        std::mem::replace(&mut self.reads, reads) != reads
    }
}
