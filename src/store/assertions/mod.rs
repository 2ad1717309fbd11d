//! Used assertions, kept until no server could accept them any more. The clock of the database decides how long: it is one
//! for all servers, whose own clocks may differ, or jump.

mod group;
mod queue;
#[cfg(test)]
mod tests;

use std::time::Duration;

use tokio::sync::oneshot;

pub(super) use self::queue::Queue;
use self::queue::{PendingUse, Turn};
use super::{Store, connection::Connection, dialect::Dialect, error::StoreError, work::TIMEOUT};
use crate::domain::{
    assertion::UsedAssertion,
    digest::Sha256,
    ids::{ClientId, TenantId},
};

/// The number of uses that are recorded one by one at the same time. PostgreSQL syncs several transactions to the disk at
/// once, so up to here one by one is as fast as together; from here on, together takes less of the processors.
const MAX_APART: usize = 8;
/// The longest that an assertion can be used after its end: a server whose clock is that far behind still accepts it.
const USABLE_AFTER_END: Duration = Duration::from_mins(5);
/// The age after its end at which a used assertion is purged. The difference to [`USABLE_AFTER_END`] is longer than an
/// insertion can take, so no insertion finds a purged assertion unused.
pub(super) const KEPT_AFTER_END: Duration = Duration::from_mins(6);

/// The outcome of using an assertion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssertionUse {
    /// The assertion was never used before.
    First,
    /// The assertion was used before.
    Replay,
    /// The assertion may have been used and purged: its end is that long ago by the clock of the database.
    TooOld,
}

/// The key of a used assertion, as different clients may choose the same `jti`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Key {
    tenant: String,
    client: String,
    digest: Sha256,
}

/// Returns the queue of a store with so many connections for writing.
pub(super) fn queue(writers: usize) -> Queue {
    Queue::new(writers.min(MAX_APART))
}

impl Store {
    /// Records the use of an assertion. Of several concurrent uses, on one replica or several, exactly one is the first.
    ///
    /// A few uses at a time are recorded one by one. Those that arrive meanwhile are recorded together, in one statement.
    ///
    /// # Errors
    /// If the database cannot be reached, or does not answer in time.
    pub async fn use_assertion(
        &self,
        tenant: &TenantId,
        client: &ClientId,
        assertion: &UsedAssertion,
    ) -> Result<AssertionUse, StoreError> {
        let key = Key {
            tenant: tenant.as_str().to_owned(),
            client: client.as_str().to_owned(),
            digest: assertion.digest,
        };
        let (outcome, recorded) = oneshot::channel();
        let pending = PendingUse::new(key, assertion.expires_at, outcome);
        if let Some(turn) = self.uses.push(pending)? {
            // In a task of its own, as the other uses of a group do not depend on the request that came first.
            tokio::spawn(record_in_turn(self.clone(), turn));
        }
        match tokio::time::timeout(TIMEOUT, recorded).await {
            Ok(Ok(outcome)) => outcome,
            _ => Err(StoreError::timed_out()),
        }
    }
}

/// Records the use that began the turn and those that wait, a group at a time, until none is left.
async fn record_in_turn(store: Store, mut turn: Turn) {
    while turn.goes_on() {
        match store.writer().await {
            // The group is taken only now, so that it has all uses that have arrived by then.
            Ok(connection) => record_group(turn.take_group(), store.dialect, &connection).await,
            Err(error) => turn
                .take_all()
                .into_iter()
                .for_each(|pending| pending.fail(&error)),
        }
    }
}

async fn record_group(uses: Vec<PendingUse>, dialect: &Dialect, connection: &Connection) {
    // After that time, no request waits for the group any more.
    let recorded = tokio::time::timeout(TIMEOUT, group::record(uses, dialect, connection)).await;
    if recorded.is_err() {
        tracing::warn!("uses of assertions not recorded in time");
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
