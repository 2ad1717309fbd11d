//! The shares of the connections that lists and changes may use, so that neither the lists of a tenant nor the changes of a
//! client stop anything else. Waiting for a share holds no connection.

use std::{sync::Arc, time::Duration};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    error::StoreError,
    lines::{Full, Lines, Turn},
    pool::{Place, Pool, Pools, acquire, in_time},
};
use crate::domain::ids::{ClientId, TenantId};

/// The longest that a list waits for its turn. A running list ends before that, so another tenant has the next turn.
const LIST_PATIENCE: Duration = Duration::from_secs(5);
/// The most lists of a tenant that run or wait.
const LISTS_OF_TENANT: usize = 1_000;
/// The longest that a change waits for other changes of its client.
const CHANGE_PATIENCE: Duration = Duration::from_secs(3);
/// The most changes of a client that run or wait.
const CHANGES_OF_CLIENT: usize = 128;

/// The shares of one server.
pub(super) struct Shares {
    /// All lists.
    lists: Arc<Semaphore>,
    /// The lists of each tenant. As each has few turns, the line for all lists is fair among tenants.
    lists_of: Arc<Lines<TenantId>>,
    /// All changes of clients.
    changes: Arc<Semaphore>,
    /// The changes of each client.
    changes_of: Arc<Lines<ClientId>>,
}

/// The right of a tenant's list to run.
#[must_use]
pub(super) struct ListTurn {
    _share: OwnedSemaphorePermit,
    _turn: Turn<TenantId>,
}

impl Shares {
    pub(super) fn of(pools: &Pools) -> Self {
        let lists = part(pools.readers.capacity(), 4);
        Self {
            lists: Arc::new(Semaphore::new(lists)),
            lists_of: Lines::new(part(lists, 2), LISTS_OF_TENANT),
            changes: Arc::new(Semaphore::new(part(pools.writers.capacity(), 2))),
            changes_of: Lines::new(1, CHANGES_OF_CLIENT),
        }
    }

    /// Waits for the turn of a tenant's list.
    pub(super) async fn turn_to_list(&self, tenant: &TenantId) -> Result<ListTurn, StoreError> {
        let turn = async {
            let turn = self.lists_of.turn(tenant).await.map_err(|Full| busy("lists"))?;
            Ok(ListTurn {
                _share: acquire(&self.lists).await?,
                _turn: turn,
            })
        };
        in_time(LIST_PATIENCE, turn, || busy("lists")).await
    }

    /// Waits for the turn of a change of a client.
    pub(super) async fn turn_to_change(&self, id: &ClientId) -> Result<Turn<ClientId>, StoreError> {
        let busy = || busy("changes of the client");
        let turn = async { self.changes_of.turn(id).await.map_err(|Full| busy()) };
        in_time(CHANGE_PATIENCE, turn, busy).await
    }

    /// Waits for a place in a pool, for a change that has its turn.
    pub(super) async fn change(&self, pool: &Pool) -> Result<Place, StoreError> {
        let share = in_time(CHANGE_PATIENCE, acquire(&self.changes), || busy("changes")).await?;
        Ok(pool.place().await?.with(share))
    }
}

/// Returns a part of a number, and at least 1.
fn part(number: usize, divisor: usize) -> usize {
    (number / divisor).max(1)
}

fn busy(what: &'static str) -> StoreError {
    StoreError::Busy(what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_have_a_quarter_of_the_connections_and_a_tenant_half_of_that() {
        for (connections, lists, of_tenant) in [(1, 1, 1), (4, 1, 1), (16, 4, 2), (21, 5, 2), (64, 16, 8)] {
            assert_eq!(part(connections, 4), lists, "{connections}");
            assert_eq!(part(lists, 2), of_tenant, "{connections}");
        }
    }
}
