//! Metrics that are observed when they are collected.

use std::time::Duration;

use opentelemetry::{KeyValue, metrics::Meter};

use super::calls;
use crate::supervise::Task;

/// The reads of clients that memory could answer, and what it holds.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Memory {
    /// Reads that found their client.
    pub(crate) hits: u64,
    /// Reads that did not.
    pub(crate) misses: u64,
    /// Reads while memory was not known to be current, which fell back to the database.
    pub(crate) stale: u64,
    /// Bytes that the clients in memory may need.
    pub(crate) bytes: u64,
    /// The time since the last check that memory is current; `None` if there was none, or none is needed.
    pub(crate) check_age: Option<Duration>,
}

/// The use of a pool of database connections.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PoolUse {
    /// The name of the pool.
    pub(crate) pool: &'static str,
    /// Connections that are in use.
    pub(crate) used: i64,
    /// Connections that are open and not in use.
    pub(crate) idle: i64,
    /// The most connections that the pool opens.
    pub(crate) max: i64,
    /// Those that wait for a connection.
    pub(crate) waiting: i64,
}

/// Observes what the process itself knows.
pub(super) fn observe_process(meter: &Meter) {
    let _in_flight = meter
        .i64_observable_up_down_counter("oauth_clients.requests.in_flight")
        .with_description("Requests without a response yet.")
        .with_unit("{request}")
        .with_callback(|count| count.observe(calls::in_flight(), &[]))
        .build();
    let _restarts = meter
        .u64_observable_counter("oauth_clients.background.restarts")
        .with_description("Restarts of background tasks that panicked.")
        .with_unit("{restart}")
        .with_callback(|count| {
            for task in Task::ALL {
                count.observe(task.restarts(), &[KeyValue::new("task", task.as_str())]);
            }
        })
        .build();
}

/// Observes the log lines that were lost since the process started. `count` is called at each collection.
pub(super) fn observe_lost_log_lines(meter: &Meter, count: impl Fn() -> u64 + Send + Sync + 'static) {
    // The meter provider keeps the callback; the instrument itself is not needed again.
    let _instrument = meter
        .u64_observable_counter("oauth_clients.log.lines_lost")
        .with_description("Log lines that were not written.")
        .with_unit("{line}")
        .with_callback(move |lost| lost.observe(count(), &[]))
        .build();
}

/// Observes the clients in memory. `memory` is called at each collection.
pub(super) fn observe_memory(meter: &Meter, memory: impl Fn() -> Memory + Clone + Send + Sync + 'static) {
    let now = memory.clone();
    let _reads = meter
        .u64_observable_counter("oauth_clients.memory.reads")
        .with_description("Reads of clients that memory could answer.")
        .with_unit("{read}")
        .with_callback(move |counter| {
            let reads = now();
            for (outcome, count) in [
                ("hit", reads.hits),
                ("miss", reads.misses),
                ("stale", reads.stale),
            ] {
                counter.observe(count, &[KeyValue::new("outcome", outcome)]);
            }
        })
        .build();
    let now = memory.clone();
    let _bytes = meter
        .u64_observable_gauge("oauth_clients.memory.size")
        .with_description("Bytes that the clients in memory may need.")
        .with_unit("By")
        .with_callback(move |gauge| gauge.observe(now().bytes, &[]))
        .build();
    let _age = meter
        .f64_observable_gauge("oauth_clients.memory.check_age")
        .with_description("Time since the last check that memory is current.")
        .with_unit("s")
        .with_callback(move |gauge| {
            if let Some(age) = memory().check_age {
                gauge.observe(age.as_secs_f64(), &[]);
            }
        })
        .build();
}

/// Observes the pools of database connections. `pools` is called at each collection.
pub(super) fn observe_pools(meter: &Meter, pools: impl Fn() -> Vec<PoolUse> + Clone + Send + Sync + 'static) {
    let pool_name = |pool: &PoolUse| KeyValue::new("db.client.connection.pool.name", pool.pool);
    let state = |state: &'static str| KeyValue::new("db.client.connection.state", state);
    let now = pools.clone();
    let _count = meter
        .i64_observable_up_down_counter("db.client.connection.count")
        .with_description("Open database connections.")
        .with_unit("{connection}")
        .with_callback(move |count| {
            for pool in now() {
                count.observe(pool.used, &[pool_name(&pool), state("used")]);
                count.observe(pool.idle, &[pool_name(&pool), state("idle")]);
            }
        })
        .build();
    let now = pools.clone();
    let _max = meter
        .i64_observable_up_down_counter("db.client.connection.max")
        .with_description("Maximum number of database connections.")
        .with_unit("{connection}")
        .with_callback(move |count| {
            for pool in now() {
                count.observe(pool.max, &[pool_name(&pool)]);
            }
        })
        .build();
    let _waiting = meter
        .i64_observable_up_down_counter("db.client.connection.pending_requests")
        .with_description("Those that wait for a database connection.")
        .with_unit("{request}")
        .with_callback(move |count| {
            for pool in pools() {
                count.observe(pool.waiting, &[pool_name(&pool)]);
            }
        })
        .build();
}
