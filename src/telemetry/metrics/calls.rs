//! The attributes of requests, which are the same each time, and the requests in flight.

use std::{
    array,
    collections::HashMap,
    sync::{
        LazyLock,
        atomic::{AtomicI64, Ordering},
    },
};

use opentelemetry::KeyValue;
use tonic::Code;

use super::code_name;
use crate::pb;

/// The number of gRPC codes.
const CODES: usize = 17;
/// The method of a request of none that is served, so that callers cannot make up names.
const OTHER: &str = "_OTHER";

type Attributes = [KeyValue; 3];

/// The attributes of a request, by method and code.
static ATTRIBUTES: LazyLock<HashMap<&'static str, [Attributes; CODES]>> = LazyLock::new(|| {
    let served = pb::protos().into_iter().flat_map(pb::Protos::targets);
    let names = served.map(pb::Target::name).chain([OTHER]);
    names.map(|method| (method, attributes_by_code(method))).collect()
});

static IN_FLIGHT: AtomicI64 = AtomicI64::new(0);

fn attributes_by_code(method: &'static str) -> [Attributes; CODES] {
    array::from_fn(|code| {
        let code = i32::try_from(code).map_or(Code::Unknown, Code::from_i32);
        // Sorted by name, as they are looked up.
        [
            KeyValue::new("rpc.method", method),
            KeyValue::new("rpc.response.status_code", code_name(code)),
            KeyValue::new("rpc.system.name", "grpc"),
        ]
    })
}

/// Returns the attributes of a request.
pub(super) fn attributes(method: Option<&'static str>, code: Code) -> &'static [KeyValue] {
    let by_code = ATTRIBUTES.get(method.unwrap_or(OTHER));
    by_code
        .or_else(|| ATTRIBUTES.get(OTHER))
        .and_then(|by_code| by_code.get(code as usize))
        .map_or(&[], |attributes| attributes)
}

/// A request in flight, until this is dropped.
#[derive(Debug)]
pub(crate) struct InFlight(());

impl InFlight {
    /// Counts a request, if anybody wants to know.
    pub(crate) fn begin() -> Option<Self> {
        crate::telemetry::exports_metrics().then(|| {
            IN_FLIGHT.fetch_add(1, Ordering::Relaxed);
            Self(())
        })
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        IN_FLIGHT.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Returns the number of requests in flight.
pub(super) fn in_flight() -> i64 {
    IN_FLIGHT.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_its_method_and_its_code() {
        let method = "oauth_clients.v1.OAuthClientService/GetOAuthClient";
        for (called, code, attributes) in [
            (Some(method), Code::Ok, [method, "OK", "grpc"]),
            (
                Some(method),
                Code::Unauthenticated,
                [method, "UNAUTHENTICATED", "grpc"],
            ),
            (
                Some("grpc.health.v1.Health"),
                Code::NotFound,
                ["grpc.health.v1.Health", "NOT_FOUND", "grpc"],
            ),
            (None, Code::Unimplemented, [OTHER, "UNIMPLEMENTED", "grpc"]),
        ] {
            let values: Vec<String> = super::attributes(called, code)
                .iter()
                .map(|attribute| attribute.value.to_string())
                .collect();
            assert_eq!(values, attributes);
        }
    }
}
