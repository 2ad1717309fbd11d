//! Gives the errors that tonic makes by itself, before a handler runs, the code and reason that callers rely on.

use http::Response;
use tonic::{Code, Status, body::Body};
use tonic_types::{ErrorDetails, StatusExt as _};

use super::compression;
use crate::{
    pb::{self, v1::ErrorReason},
    rpc::failure::Failure,
};

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
        // The length of the message is over the limit, or that of what comes out of it.
        Code::OutOfRange | Code::ResourceExhausted => {
            failed(ErrorReason::BodyTooLarge, "the message is larger than 1 MiB")
        }
        Code::Unimplemented if status.metadata().contains_key(compression::GRPC_ACCEPT_ENCODING) => {
            unsupported_encoding(&status)
        }
        _ => response,
    }
}

/// The protocol asks for this code (gRPC, "Compression"), which is not that of the reason.
fn unsupported_encoding(status: &Status) -> Response<Body> {
    let reason = ErrorReason::UnsupportedContentEncoding.name();
    let details = ErrorDetails::with_error_info(reason, pb::ERROR_DOMAIN, [] as [(String, String); 0]);
    let detail = "the message must be uncompressed or compressed with gzip";
    let metadata = status.metadata().clone();
    Status::with_error_details_and_metadata(status.code(), detail, details, metadata).into_http()
}

fn failed(reason: ErrorReason, detail: &str) -> Response<Body> {
    Status::from(Failure::new(reason, detail)).into_http()
}
