//! Gives the errors that tonic makes by itself, before a handler runs, the code and reason that callers rely on.

use http::Response;
use tonic::{Code, Status, body::Body};

use crate::{pb::v1::ErrorReason, rpc::failure::Failure};

/// Translates an error that has no reason.
pub(super) fn translate(response: Response<Body>) -> Response<Body> {
    let Some(status) = Status::from_header_map(response.headers()) else {
        return response;
    };
    // Every error of this server has details, so an error without any is tonic's.
    if !status.details().is_empty() {
        return response;
    }
    match status.code() {
        // A message that cannot be decoded is the caller's mistake, though tonic calls it its own.
        Code::Internal => failed(ErrorReason::InvalidField, "the message cannot be decoded"),
        Code::OutOfRange => failed(ErrorReason::BodyTooLarge, "the message is larger than 1 MiB"),
        _ => response,
    }
}

fn failed(reason: ErrorReason, detail: &str) -> Response<Body> {
    Status::from(Failure::new(reason, detail)).into_http()
}
