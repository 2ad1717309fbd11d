//! The metrics of the service: a field for each instrument, and a function that records it. No attribute takes values
//! that callers choose, as each value is a time series.

use std::{sync::LazyLock, time::Duration};

use opentelemetry::{
    KeyValue,
    metrics::{Counter, Histogram},
};
use tonic::Code;

use crate::{
    domain::{auth_method::AuthMethod, rejection::Rejection},
    pb::{RateTier, google},
};

/// The bucket boundaries that the semantic conventions advise, in seconds.
const CALL_SECONDS: [f64; 14] = [
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];

struct Instruments {
    call_duration: Histogram<f64>,
    limit_decisions: Counter<u64>,
    client_authentications: Counter<u64>,
}

/// Created at the first record, after the exporter is set up. Without an exporter nothing is recorded.
static INSTRUMENTS: LazyLock<Instruments> = LazyLock::new(|| {
    let meter = opentelemetry::global::meter("oauth-clients");
    Instruments {
        call_duration: meter
            .f64_histogram("rpc.server.call.duration")
            .with_description("Duration of requests on both transports.")
            .with_unit("s")
            .with_boundaries(CALL_SECONDS.to_vec())
            .build(),
        limit_decisions: meter
            .u64_counter("oauth_clients.rate_limit.decisions")
            .with_description("Requests that were counted against a quota.")
            .with_unit("{call}")
            .build(),
        client_authentications: meter
            .u64_counter("oauth_clients.client_authentications")
            .with_description("Clients that presented credentials.")
            .with_unit("{client}")
            .build(),
    }
});

/// The limiter that decided whether a request is within its quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DecidedBy {
    /// This process, as no Redis is configured.
    Process,
    Redis,
    /// This process, as Redis did not respond.
    Fallback,
}

/// Records a completed request: `rpc.server.call.duration` of the semantic conventions for gRPC. A request of a method that
/// is not served has no `method`, so that callers cannot make up names.
pub(crate) fn request_completed(method: Option<&'static str>, code: Code, duration: Duration) {
    if !super::exports() {
        return;
    }
    let attributes = [
        KeyValue::new("rpc.system.name", "grpc"),
        KeyValue::new("rpc.method", method.unwrap_or("_OTHER")),
        KeyValue::new("rpc.response.status_code", code_name(code)),
    ];
    INSTRUMENTS
        .call_duration
        .record(duration.as_secs_f64(), &attributes);
}

/// Records a request that was counted against the quota of its tier.
pub(crate) fn limit_decided(tier: RateTier, allowed: bool, by: DecidedBy) {
    if !super::exports() {
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
    if !super::exports() {
        return;
    }
    let outcome = rejection.map_or("authenticated", Rejection::as_str);
    let attributes = [
        KeyValue::new("method", method.as_str()),
        KeyValue::new("outcome", outcome),
    ];
    INSTRUMENTS.client_authentications.add(1, &attributes);
}

/// Observes the log lines that were lost since the process started. `count` is called at each collection.
pub(crate) fn observe_lost_log_lines(count: impl Fn() -> u64 + Send + Sync + 'static) {
    // The meter provider keeps the callback; the instrument itself is not needed again.
    let _instrument = opentelemetry::global::meter("oauth-clients")
        .u64_observable_counter("oauth_clients.log.lines_lost")
        .with_description("Log lines that were not written.")
        .with_unit("{line}")
        .with_callback(move |lost| lost.observe(count(), &[]))
        .build();
}

/// The reads of clients that memory could answer, and what it holds.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Memory {
    /// Reads that found their client.
    pub(crate) hits: u64,
    /// Reads that did not.
    pub(crate) misses: u64,
    /// Reads while memory was not known to be current.
    pub(crate) stale: u64,
    /// Bytes that the clients in memory may need.
    pub(crate) bytes: u64,
}

/// Observes the clients in memory. `memory` is called at each collection.
pub(crate) fn observe_memory(memory: impl Fn() -> Memory + Clone + Send + Sync + 'static) {
    let meter = opentelemetry::global::meter("oauth-clients");
    let reads = memory.clone();
    let _reads = meter
        .u64_observable_counter("oauth_clients.memory.reads")
        .with_description("Reads of clients that memory could answer.")
        .with_unit("{read}")
        .with_callback(move |counter| {
            let reads = reads();
            for (outcome, count) in [
                ("hit", reads.hits),
                ("miss", reads.misses),
                ("stale", reads.stale),
            ] {
                counter.observe(count, &[KeyValue::new("outcome", outcome)]);
            }
        })
        .build();
    let _bytes = meter
        .u64_observable_gauge("oauth_clients.memory.size")
        .with_description("Bytes that the clients in memory may need.")
        .with_unit("By")
        .with_callback(move |gauge| gauge.observe(memory().bytes, &[]))
        .build();
}

pub(crate) fn code_name(code: Code) -> &'static str {
    google::rpc::Code::try_from(i32::from(code)).map_or("UNKNOWN", |code| code.as_str_name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_its_grpc_name() {
        assert_eq!(code_name(Code::Ok), "OK");
        assert_eq!(code_name(Code::DeadlineExceeded), "DEADLINE_EXCEEDED");
    }
}
