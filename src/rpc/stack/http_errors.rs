//! Errors of requests that are not gRPC, which are errors of HTTP: their clients could not read a gRPC status.

use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode,
    header::{ALLOW, CONTENT_TYPE},
};
use http_body_util::Full;
use tonic::{Status, body::Body};
use tonic_types::StatusExt as _;

use crate::{
    pb::{self, v1::ErrorReason},
    rpc::failure::Failure,
    single_header::single_header,
};

const CONTENT_TYPES: [&str; 2] = ["application/grpc", "application/grpc+proto"];

/// Requires that a request is gRPC with protobuf messages.
pub(super) fn require_grpc<B>(request: &Request<B>) -> Result<(), Failure> {
    if request.method() != Method::POST {
        let failure = Failure::new(
            ErrorReason::MethodNotAllowed,
            "this is gRPC: the method must be POST",
        );
        return Err(failure.header(ALLOW, HeaderValue::from_static("POST")));
    }
    if !has_content_type(request.headers()) {
        let [grpc, proto] = CONTENT_TYPES;
        return Err(Failure::new(
            ErrorReason::UnsupportedMediaType,
            format!("this is gRPC: the content type must be {grpc} or {proto}"),
        ));
    }
    Ok(())
}

fn has_content_type(headers: &HeaderMap) -> bool {
    let Ok(Some(value)) = single_header(headers, CONTENT_TYPE) else {
        return false;
    };
    let value = value.to_str().unwrap_or_default();
    let media_type = value.split(';').next().unwrap_or_default().trim();
    CONTENT_TYPES
        .iter()
        .any(|content_type| media_type.eq_ignore_ascii_case(content_type))
}

/// Turns the errors of [`require_grpc`] into responses of HTTP. The layers between have seen them as statuses.
pub(super) fn without_grpc(response: Response<Body>) -> Response<Body> {
    let Some(status) = Status::from_header_map(response.headers()) else {
        return response;
    };
    let Some(http_status) = http_status(&status) else {
        return response;
    };
    // The response to `HEAD` must not have content (RFC 9110 section 9.3.2), and `allow` says all that a 405 has to say.
    let text = match http_status {
        StatusCode::METHOD_NOT_ALLOWED => String::new(),
        _ => format!("{}\n", status.message()),
    };
    let mut refused = Response::new(Body::new(Full::new(text.into())));
    *refused.status_mut() = http_status;
    let headers = refused.headers_mut();
    headers.extend(status.metadata().clone().into_headers());
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    refused
}

/// Returns the HTTP status of an error that has no form on gRPC. A method that does not exist has one, and no `allow`.
fn http_status(status: &Status) -> Option<StatusCode> {
    let reason = status.get_details_error_info()?.reason;
    let is_http = reason == ErrorReason::UnsupportedMediaType.name()
        || reason == ErrorReason::MethodNotAllowed.name() && status.metadata().contains_key(ALLOW.as_str());
    let policy = pb::protos().ok()?.reason(&reason)?;
    is_http.then_some(policy.http_status)
}
