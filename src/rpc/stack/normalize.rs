//! Errors that tonic makes by itself, before a handler runs, get the code and reason that callers can count on.

use http::Response;
use tonic::{Code, Status, body::Body};

use crate::{pb::v1::ErrorReason, rpc::failure::Failure};

/// Translates an error of the gRPC router that carries no reason.
pub fn normalize(answer: Response<Body>) -> Response<Body> {
    let Some(status) = Status::from_header_map(answer.headers()) else {
        return answer;
    };
    // Every error of this server has details, so one without is tonic's.
    if !status.details().is_empty() {
        return answer;
    }
    match status.code() {
        // A message that cannot be decoded is the caller's mistake, though tonic calls it its own.
        Code::Internal => refuse(ErrorReason::InvalidField, "the message cannot be decoded"),
        Code::OutOfRange => refuse(ErrorReason::BodyTooLarge, "the message is larger than 1 MiB"),
        _ => answer,
    }
}

fn refuse(reason: ErrorReason, detail: &str) -> Response<Body> {
    Status::from(Failure::new(reason, detail)).into_http()
}
