//! The error envelope of REST.

use bytes::Bytes;
use http::StatusCode;
use serde::Serialize;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::pb::Protos;

#[derive(Debug, Serialize)]
struct Envelope {
    errors: Vec<Error>,
}

/// The last line of a stream that failed.
#[derive(Debug, Serialize)]
struct LastLine {
    error: Error,
}

#[derive(Debug, Serialize)]
struct Error {
    code: String,
    title: String,
    detail: String,
}

/// Returns the HTTP status and the body for a gRPC status: an error per violation, or one for the whole request.
pub(super) fn envelope(protos: &Protos, status: &Status) -> (StatusCode, Bytes) {
    let details = status.get_error_details();
    let reason = details.error_info().map(|info| info.reason.as_str());
    let http_status = reason
        .and_then(|reason| protos.reason(reason))
        .map_or_else(|| http_status(status.code()), |policy| policy.http_status);
    let violations = details
        .bad_request()
        .map_or(&[][..], |request| &request.field_violations);
    let errors: Vec<Error> = if violations.is_empty() {
        vec![error(protos, reason, status.message())]
    } else {
        violations
            .iter()
            .map(|violation| {
                error(
                    protos,
                    Some(&violation.reason),
                    &format!("{}: {}", violation.field, violation.description),
                )
            })
            .collect()
    };
    // Serializing structs of strings does not fail.
    (
        http_status,
        Bytes::from(serde_json::to_vec(&Envelope { errors }).unwrap_or_default()),
    )
}

/// Returns the last line of a stream that ended with a gRPC status: one error, whatever violations it has.
pub(super) fn last_line(protos: &Protos, status: &Status) -> Bytes {
    let info = status.get_details_error_info();
    let reason = info.as_ref().map(|info| info.reason.as_str());
    let error = error(protos, reason, status.message());
    let mut line = serde_json::to_vec(&LastLine { error }).unwrap_or_default();
    line.push(b'\n');
    Bytes::from(line)
}

fn error(protos: &Protos, reason: Option<&str>, detail: &str) -> Error {
    let code = reason.unwrap_or("INTERNAL");
    let title = protos.reason(code).map_or(code, |policy| &policy.title);
    Error {
        code: code.to_owned(),
        title: title.to_owned(),
        detail: detail.to_owned(),
    }
}

/// Maps the code of a status without a reason, as grpc-gateway does.
fn http_status(code: Code) -> StatusCode {
    match code {
        Code::Ok => StatusCode::OK,
        // 499 Client Closed Request, which is not a standard status.
        Code::Cancelled => StatusCode::from_u16(499).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => StatusCode::BAD_REQUEST,
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::AlreadyExists | Code::Aborted => StatusCode::CONFLICT,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::Unknown | Code::Internal | Code::DataLoss => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
