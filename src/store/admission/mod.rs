//! Whose turn it is at the database. Work waits for its turn for a short time and without a connection, and is refused after
//! that. Lists and changes have shares of the connections, so that neither the lists of a tenant nor the changes of a client
//! stop anything else. `docs/decisions/overload.md` and `fairness.md` say why.
//!
//! A turn is taken right before a connection, and given back with it. So a request that memory answers, that waits for the
//! fence, or whose body is still arriving has none.

mod gate;
mod lines;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

pub(super) use self::gate::{Gate, Permit, Refused};
use self::lines::{Full, Lines, Turn};
use super::{
    error::StoreError,
    pool::{Place, Pools},
};
pub use crate::telemetry::metrics::Work;
use crate::{
    domain::ids::{ClientId, TenantId},
    telemetry::metrics::{self, Stopwatch},
};

/// The default of the longest time that work waits for its turn.
pub const DEFAULT_QUEUE_TIME: Duration = Duration::from_millis(500);

/// The longest that a change waits for other changes of its client.
const CHANGE_PATIENCE: Duration = Duration::from_secs(3);
/// The most lists of a tenant that run or wait.
const LISTS_OF_TENANT: usize = 1_000;
/// The most changes of a client that run or wait.
const CHANGES_OF_CLIENT: usize = 128;

/// Work of one kind at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// The number of requests that have their turn.
    pub in_flight: usize,
    /// The number of requests that wait for it, without those behind others of the same tenant or client.
    pub waiting: usize,
}

/// Gives turns to work.
pub(super) struct Admission {
    queue_time: Duration,
    pools: Arc<Pools>,
    /// All lists.
    lists: Arc<Gate>,
    /// The lists of each tenant. As each has few turns, the gate for all lists is fair among tenants.
    lists_of: Arc<Lines<TenantId>>,
    /// All changes.
    changes: Arc<Gate>,
    /// The changes of each client.
    changes_of: Arc<Lines<ClientId>>,
}

/// The turn of a list, which ends when this is dropped.
#[must_use]
pub(super) struct ListTurn {
    _share: Permit,
    _of_tenant: Turn<TenantId>,
}

impl Admission {
    pub(super) fn new(pools: Arc<Pools>, queue_time: Duration) -> Self {
        let lists = part(pools.readers.capacity(), 4);
        Self {
            queue_time,
            lists: Arc::new(Gate::new(lists)),
            lists_of: Lines::new(part(lists, 2), LISTS_OF_TENANT),
            changes: Arc::new(Gate::new(part(pools.writers.capacity(), 2))),
            changes_of: Lines::new(1, CHANGES_OF_CLIENT),
            pools,
        }
    }

    /// Waits for the turn of reading a client.
    pub(super) async fn read(&self) -> Result<Place, StoreError> {
        self.in_time(Work::Read, self.pools.readers.place(self.queue_time))
            .await
    }

    /// Waits for the turn of a tenant's list.
    pub(super) async fn list(&self, tenant: &TenantId) -> Result<(ListTurn, Place), StoreError> {
        let turn = async {
            let of_tenant = self.lists_of.turn(tenant).await.map_err(|Full| Refused)?;
            let share = self.lists.enter(self.queue_time).await?;
            let place = self.pools.readers.place(self.queue_time).await?;
            let turn = ListTurn {
                _share: share,
                _of_tenant: of_tenant,
            };
            Ok((turn, place))
        };
        self.in_time(Work::List, turn).await
    }

    /// Waits for the share of connections of a stream that reads the database, which is that of lists. It may wait for
    /// long, as a stream does not have to be served at once.
    pub(super) async fn stream(&self) -> Result<Permit, StoreError> {
        self.lists
            .enter(self.queue_time)
            .await
            .map_err(|Refused| refused(Work::List))
    }

    /// Waits for the turn of a change.
    pub(super) async fn change(&self) -> Result<Place, StoreError> {
        let turn = async {
            let share = self.changes.enter(self.queue_time).await?;
            Ok(self.pools.writers.place(self.queue_time).await?.with(share))
        };
        self.in_time(Work::Change, turn).await
    }

    /// Waits for the turn of a change behind others of its client.
    pub(super) async fn change_of(&self, id: &ClientId) -> Result<Turn<ClientId>, StoreError> {
        match tokio::time::timeout(CHANGE_PATIENCE, self.changes_of.turn(id)).await {
            Ok(Ok(turn)) => Ok(turn),
            Ok(Err(Full)) | Err(_) => Err(refused(Work::Change)),
        }
    }

    pub(super) fn load(&self, work: Work) -> Load {
        match work {
            Work::Read => self.pools.readers.load(),
            Work::List => self.lists.load(),
            Work::Change => self.changes.load(),
        }
    }

    async fn in_time<T>(
        &self,
        work: Work,
        turn: impl Future<Output = Result<T, Refused>>,
    ) -> Result<T, StoreError> {
        let waited = Stopwatch::start();
        match tokio::time::timeout(self.queue_time, turn).await {
            Ok(Ok(turn)) => {
                metrics::queued(work, &waited);
                Ok(turn)
            }
            Ok(Err(Refused)) | Err(_) => Err(refused(work)),
        }
    }
}

fn refused(work: Work) -> StoreError {
    metrics::shed(work);
    StoreError::Overloaded(work)
}

/// Returns a part of a number, and at least 1.
fn part(number: usize, divisor: usize) -> usize {
    (number / divisor).max(1)
}
