//! Positions among the changes of a database.
//!
//! A change belongs to a transaction, which has a number. Transactions do not commit in the order of their numbers, so a
//! position is no number: it says which transactions are [past](Seen). Of one client, numbers grow as revisions do, as a
//! transaction draws its number after it has locked the client.

use std::sync::Arc;

use super::{ids::ClientId, timestamp::Timestamp};

/// The transactions with changes that had committed at some time: those up to the newest one, without those that were open.
///
/// There is none beyond the newest one, so this remains true if the numbers of transactions that left no trace are assigned
/// again after a crash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// A time at which they all had committed.
    pub time: Timestamp,
    /// The number of the newest transaction with a change; 0 if there was none.
    pub newest: u64,
    /// The numbers before it of the transactions that were open, in ascending order.
    pub open: Vec<u64>,
}

/// A change, by its place among those that became visible together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The number of its transaction.
    pub transaction: u64,
    /// The client.
    pub client_id: ClientId,
    /// The number of the client's state after the change.
    pub revision: i64,
}

/// A position among the changes of a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The changes that are past.
    pub past: Arc<Seen>,
    /// The changes that are being read, if any.
    pub reading: Option<Reading>,
}

/// Changes that are being read: those that are visible at one time and were not at the one before, by place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The changes that are visible.
    pub until: Arc<Seen>,
    /// The last one that was read.
    pub place: Place,
}

impl Seen {
    /// Returns `true` if the same changes are past, at whatever time.
    pub fn is_same_as(&self, other: &Self) -> bool {
        (self.newest, &self.open) == (other.newest, &other.open)
    }
}

impl Position {
    /// Returns the position after some changes.
    pub fn after(past: Arc<Seen>) -> Self {
        Self { past, reading: None }
    }

    /// Returns `true` if this is after the changes that are past, and no others.
    pub fn is_after(&self, past: &Seen) -> bool {
        self.reading.is_none() && self.past.is_same_as(past)
    }
}
