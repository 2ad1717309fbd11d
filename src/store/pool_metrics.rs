//! The metrics of the pools of connections.

use std::sync::Arc;

use super::{
    Store,
    connection::Connection,
    error::StoreError,
    pool::{Pool, Pools},
};
use crate::telemetry::{
    exports_metrics,
    metrics::{self, PoolUse},
};

/// The name of the pool of PostgreSQL, from which everything takes its connections.
const ALL: &str = "all";
/// The name of the pool of SQLite's connections that read.
const READERS: &str = "readers";
/// The name of the pool of SQLite's connection that writes.
const WRITERS: &str = "writers";

impl Store {
    /// Takes a connection for reading.
    pub(super) async fn reader(&self) -> Result<Connection, StoreError> {
        let name = if self.url.is_sqlite() { READERS } else { ALL };
        measured(name, &self.pools.readers).await
    }

    /// Takes a connection for writing.
    pub(super) async fn writer(&self) -> Result<Connection, StoreError> {
        let name = if self.url.is_sqlite() { WRITERS } else { ALL };
        measured(name, &self.pools.writers).await
    }

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

fn uses(pools: &Pools, is_sqlite: bool) -> Vec<PoolUse> {
    if is_sqlite {
        vec![use_of(READERS, &pools.readers), use_of(WRITERS, &pools.writers)]
    } else {
        vec![use_of(ALL, &pools.readers)]
    }
}

fn use_of(name: &'static str, pool: &Pool) -> PoolUse {
    let status = pool.status();
    let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    PoolUse {
        pool: name,
        used: count(status.size.saturating_sub(status.available)),
        idle: count(status.available),
        max: count(status.max_size),
        waiting: count(status.waiting),
    }
}

/// Takes a connection, and measures how long that takes.
#[expect(clippy::disallowed_methods, reason = "it measures how long it waits")]
async fn measured(name: &'static str, pool: &Pool) -> Result<Connection, StoreError> {
    if !exports_metrics() {
        return pool.get().await;
    }
    let began = std::time::Instant::now();
    let connection = pool.get().await;
    metrics::connection_acquired(name, began.elapsed());
    connection
}
