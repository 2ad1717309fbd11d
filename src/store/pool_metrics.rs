//! The metrics of the pools of connections.

use std::sync::Arc;

use super::{
    Store,
    pool::{Pool, Pools},
};
use crate::telemetry::metrics::{self, PoolUse};

impl Store {
    /// Exports the use of the pools.
    pub(super) fn observe_pools(&self) {
        let pools = Arc::downgrade(&self.pools);
        let is_sqlite = self.url.is_sqlite();
        metrics::observe_pools(move || {
            let pools = pools.upgrade();
            pools.map_or_else(Vec::new, |pools| uses(&pools, is_sqlite))
        });
    }
}

/// The connection of probes is not among them, as no request waits for it.
fn uses(pools: &Pools, is_sqlite: bool) -> Vec<PoolUse> {
    let pools: &[&Pool] = if is_sqlite {
        &[&pools.readers, &pools.writers]
    } else {
        &[&pools.readers]
    };
    pools.iter().copied().map(use_of).collect()
}

fn use_of(pool: &Pool) -> PoolUse {
    let load = pool.load();
    let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    PoolUse {
        pool: pool.name(),
        used: count(load.in_flight),
        idle: count(pool.idle()),
        max: count(pool.capacity()),
        waiting: count(load.waiting),
    }
}
