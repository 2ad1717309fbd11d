//! The last changes, for the streams that have read everything before them.

use std::{collections::VecDeque, sync::Arc};

use super::{change::WatchedChange, read::WatchScope};

/// The most changes in the ring.
const MAX_CHANGES: usize = 10_000;
/// The most bytes of changes in the ring.
const MAX_BYTES: usize = 32 * 1024 * 1024;
/// The most changes that a stream takes at once.
const AT_ONCE: usize = 16;

/// A bounded queue of changes, each with a number that grows by one, that many read.
#[derive(Debug, Default)]
pub(super) struct Ring {
    changes: VecDeque<Arc<WatchedChange>>,
    /// The number of the first change.
    first: u64,
    bytes: usize,
}

/// Some changes from the ring.
#[derive(Debug)]
pub(super) struct Taken {
    /// Those that are watched.
    pub(super) changes: Vec<Arc<WatchedChange>>,
    /// The last one that was gone through, watched or not.
    pub(super) last: Option<Arc<WatchedChange>>,
    /// The number of the next one.
    pub(super) next: u64,
}

impl Ring {
    /// Returns the number that the next change will have.
    pub(super) fn end(&self) -> u64 {
        self.first + self.changes.len() as u64
    }

    /// Adds a change, and drops the oldest ones for it.
    pub(super) fn push(&mut self, change: WatchedChange) {
        self.bytes = self.bytes.saturating_add(change.weight());
        self.changes.push_back(Arc::new(change));
        while self.changes.len() > MAX_CHANGES || self.bytes > MAX_BYTES && self.changes.len() > 1 {
            self.drop_first();
        }
    }

    /// Drops all changes. No stream that has not read them continues.
    pub(super) fn clear(&mut self) {
        self.first = self.end() + 1;
        self.changes.clear();
        self.bytes = 0;
    }

    /// Takes changes from a number on; `None` if it is no longer there.
    pub(super) fn take(&self, from: u64, scope: &WatchScope) -> Option<Taken> {
        let start = usize::try_from(from.checked_sub(self.first)?).ok()?;
        let mut taken = Taken {
            changes: Vec::new(),
            last: None,
            next: from,
        };
        for change in self.changes.iter().skip(start) {
            taken.next += 1;
            taken.last = Some(change.clone());
            if change
                .client_id()
                .is_some_and(|id| scope.has(change.tenant(), id))
            {
                taken.changes.push(change.clone());
                if taken.changes.len() == AT_ONCE {
                    break;
                }
            }
        }
        Some(taken)
    }

    fn drop_first(&mut self) {
        if let Some(dropped) = self.changes.pop_front() {
            self.first += 1;
            self.bytes = self.bytes.saturating_sub(dropped.weight());
        }
    }
}
