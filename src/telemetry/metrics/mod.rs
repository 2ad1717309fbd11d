//! The metrics of the service: a field for each instrument, and a function that records it. No attribute takes values
//! that callers choose, as each value is a time series.

mod calls;
mod observed;
#[cfg(test)]
mod tests;

use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

use opentelemetry::{
    KeyValue, global,
    metrics::{Counter, Histogram, Meter},
};
use tonic::Code;

pub(crate) use self::{
    calls::InFlight,
    observed::{Memory, PoolUse},
};
use super::exports_metrics;
use crate::{
    domain::{auth_method::AuthMethod, rejection::Rejection},
    pb::{RateTier, google},
};

/// The bucket boundaries that the semantic conventions advise, in seconds, with finer ones below for reads from memory.
const CALL_SECONDS: [f64; 17] = [
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];
/// The bucket boundaries of waits before the work on a request begins, in seconds.
const WAIT_SECONDS: [f64; 10] = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 3.0];

struct Instruments {
    call_duration: Histogram<f64>,
    requests_shed: Counter<u64>,
    queue_time: Histogram<f64>,
    connection_wait: Histogram<f64>,
    database_errors: Counter<u64>,
    limit_decisions: Counter<u64>,
    client_authentications: Counter<u64>,
}

/// Created after the exporters are set up. Without an exporter nothing is recorded.
static INSTRUMENTS: LazyLock<Instruments> = LazyLock::new(|| Instruments::of(&meter()));

/// The work that a request is for, as it is admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Reading one client.
    Read,
    /// Reading a page of clients.
    List,
    /// Adding or changing a client.
    Change,
}

/// Measures a time, if metrics are exported.
#[derive(Debug)]
pub(crate) struct Stopwatch(Option<Instant>);

/// The kind of an error of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DatabaseError {
    /// No connection was free in time.
    NoConnection,
    /// It cannot be reached, is overloaded, or cannot write.
    Unavailable,
    /// It did not answer in time.
    TimedOut,
    /// A concurrent change won.
    Conflict,
    /// It is not suitable for this service.
    Unsuitable,
    /// It refused a statement.
    Refused,
    /// A row holds a value that is never written.
    Corrupt,
}

/// The limiter that decided whether a request is within its quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DecidedBy {
    /// This process, as no Redis is configured.
    Process,
    Redis,
    /// This process, as Redis did not respond.
    Fallback,
}

impl Instruments {
    fn of(meter: &Meter) -> Self {
        let histogram = |name, description, boundaries: &[f64]| {
            let histogram = meter.f64_histogram(name).with_description(description);
            let histogram = histogram.with_unit("s").with_boundaries(boundaries.to_vec());
            histogram.build()
        };
        let counter = |name, description, unit| {
            let counter = meter.u64_counter(name).with_description(description);
            counter.with_unit(unit).build()
        };
        Self {
            call_duration: histogram(
                "rpc.server.call.duration",
                "Duration of requests on both transports.",
                &CALL_SECONDS,
            ),
            requests_shed: counter(
                "oauth_clients.requests.shed",
                "Requests that were refused because the server was full.",
                "{request}",
            ),
            queue_time: histogram(
                "oauth_clients.requests.queue_time",
                "Time that requests waited to be admitted.",
                &WAIT_SECONDS,
            ),
            connection_wait: histogram(
                "db.client.connection.wait_time",
                "Time to get a database connection.",
                &WAIT_SECONDS,
            ),
            database_errors: counter(
                "oauth_clients.database.errors",
                "Errors of the database.",
                "{error}",
            ),
            limit_decisions: counter(
                "oauth_clients.rate_limit.decisions",
                "Requests that were counted against a quota.",
                "{call}",
            ),
            client_authentications: counter(
                "oauth_clients.client_authentications",
                "Clients that presented credentials.",
                "{client}",
            ),
        }
    }

    /// Lets counters begin at zero: an increase from no series at all does not show as one.
    fn begin_at_zero(&self) {
        for work in Work::ALL {
            self.requests_shed.add(0, &[work.attribute()]);
        }
        for error in DatabaseError::ALL {
            self.database_errors.add(0, &[error.attribute()]);
        }
    }
}

impl Stopwatch {
    #[expect(clippy::disallowed_methods, reason = "it measures a time")]
    pub(crate) fn start() -> Self {
        Self(exports_metrics().then(Instant::now))
    }

    fn elapsed(&self) -> Option<Duration> {
        self.0.map(|began| began.elapsed())
    }
}

impl Work {
    /// Every kind of work.
    pub const ALL: [Self; 3] = [Self::Read, Self::List, Self::Change];

    /// Returns the name for the log and the metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::List => "list",
            Self::Change => "change",
        }
    }

    fn attribute(self) -> KeyValue {
        KeyValue::new("work", self.as_str())
    }
}

impl DatabaseError {
    const ALL: [Self; 7] = [
        Self::NoConnection,
        Self::Unavailable,
        Self::TimedOut,
        Self::Conflict,
        Self::Unsuitable,
        Self::Refused,
        Self::Corrupt,
    ];

    fn attribute(self) -> KeyValue {
        let name = match self {
            Self::NoConnection => "no_connection",
            Self::Unavailable => "unavailable",
            Self::TimedOut => "timed_out",
            Self::Conflict => "conflict",
            Self::Unsuitable => "unsuitable",
            Self::Refused => "refused",
            Self::Corrupt => "corrupt",
        };
        KeyValue::new("kind", name)
    }
}

fn meter() -> Meter {
    global::meter("oauth-clients")
}

/// Begins to measure, after the exporters are set up. `lost_log_lines` is called at each collection.
pub(super) fn start(lost_log_lines: impl Fn() -> u64 + Send + Sync + 'static) {
    INSTRUMENTS.begin_at_zero();
    observed::observe_process(&meter());
    observed::observe_lost_log_lines(&meter(), lost_log_lines);
}

/// Observes the clients in memory. `memory` is called at each collection.
pub(crate) fn observe_memory(memory: impl Fn() -> Memory + Clone + Send + Sync + 'static) {
    observed::observe_memory(&meter(), memory);
}

/// Observes the pools of database connections. `pools` is called at each collection.
pub(crate) fn observe_pools(pools: impl Fn() -> Vec<PoolUse> + Clone + Send + Sync + 'static) {
    observed::observe_pools(&meter(), pools);
}

/// Records a completed request: `rpc.server.call.duration` of the semantic conventions for gRPC. A request of a method that
/// is not served has no `method`.
pub(crate) fn request_completed(method: Option<&'static str>, code: Code, duration: Duration) {
    if exports_metrics() {
        let attributes = calls::attributes(method, code);
        INSTRUMENTS
            .call_duration
            .record(duration.as_secs_f64(), attributes);
    }
}

/// Records a request that was refused because the server was full.
pub(crate) fn shed(work: Work) {
    if exports_metrics() {
        INSTRUMENTS.requests_shed.add(1, &[work.attribute()]);
    }
}

/// Records the time that a request waited to be admitted.
pub(crate) fn queued(work: Work, waited: &Stopwatch) {
    if let Some(waited) = waited.elapsed() {
        INSTRUMENTS
            .queue_time
            .record(waited.as_secs_f64(), &[work.attribute()]);
    }
}

/// Records the time to get a connection of a pool.
pub(crate) fn connection_acquired(pool: &'static str, waited: &Stopwatch) {
    if let Some(waited) = waited.elapsed() {
        let attributes = [KeyValue::new("db.client.connection.pool.name", pool)];
        INSTRUMENTS
            .connection_wait
            .record(waited.as_secs_f64(), &attributes);
    }
}

/// Records an error of the database.
pub(crate) fn database_failed(error: DatabaseError) {
    if exports_metrics() {
        INSTRUMENTS.database_errors.add(1, &[error.attribute()]);
    }
}

/// Records a request that was counted against the quota of its tier.
pub(crate) fn limit_decided(tier: RateTier, allowed: bool, by: DecidedBy) {
    if !exports_metrics() {
        return;
    }
    let by = match by {
        DecidedBy::Process => "process",
        DecidedBy::Redis => "redis",
        DecidedBy::Fallback => "fallback",
    };
    let attributes = [
        KeyValue::new("tier", tier.name()),
        KeyValue::new("outcome", if allowed { "allowed" } else { "limited" }),
        KeyValue::new("by", by),
    ];
    INSTRUMENTS.limit_decisions.add(1, &attributes);
}

/// Records a client that presented credentials, and the rejection if they were not accepted.
pub(crate) fn client_authenticated(method: AuthMethod, rejection: Option<Rejection>) {
    if !exports_metrics() {
        return;
    }
    let outcome = rejection.map_or("authenticated", Rejection::as_str);
    let attributes = [
        KeyValue::new("method", method.as_str()),
        KeyValue::new("outcome", outcome),
    ];
    INSTRUMENTS.client_authentications.add(1, &attributes);
}

pub(crate) fn code_name(code: Code) -> &'static str {
    google::rpc::Code::try_from(i32::from(code)).map_or("UNKNOWN", |code| code.as_str_name())
}
