//! What a call answered, as an HTTP response.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS},
};
use http_body_util::Full;
use prost::bytes::Buf as _;
use prost_reflect::{DynamicMessage, SerializeOptions};
use thiserror::Error;
use tonic::{Status, body::Body};

use super::{error, headers};
use crate::pb::{Method, Protos};

/// An answer of the gRPC router that is none. A bug.
#[derive(Debug, Error)]
pub(super) enum BadAnswer {
    #[error("the body of the answer broke off")]
    Body(#[from] Status),
    #[error("the answer is not one message")]
    Frame,
    #[error("the message of the answer cannot be decoded")]
    Message(#[from] prost::DecodeError),
    #[error("the message of the answer cannot be written as JSON")]
    Json(#[from] serde_json::Error),
}

/// The response for a successful call: the message as canonical proto JSON, in which fields without presence are never
/// left out, and those with presence only when they are not set.
pub(super) fn success(
    method: &Method,
    metadata: &HeaderMap,
    body: Bytes,
) -> Result<Response<Body>, BadAnswer> {
    let message = DynamicMessage::decode(method.descriptor.output(), unframe(body)?)?;
    let policy = &method.policy;
    let nothing_set = message.fields().next().is_none();
    let mut response =
        if policy.success_status == StatusCode::NO_CONTENT || policy.no_content_when_empty && nothing_set {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NO_CONTENT;
            response
        } else {
            let mut json = serde_json::Serializer::new(Vec::new());
            message.serialize_with_options(&mut json, &SerializeOptions::new().skip_default_fields(false))?;
            json_response(policy.success_status, Bytes::from(json.into_inner()))
        };
    response.headers_mut().extend(headers::headers(metadata));
    Ok(response)
}

/// The message of a gRPC body: a byte that says whether it is compressed, its length, and it.
fn unframe(mut body: Bytes) -> Result<Bytes, BadAnswer> {
    if body.remaining() < 5 || body.get_u8() != 0 {
        return Err(BadAnswer::Frame);
    }
    let length = body.get_u32() as usize;
    if body.remaining() == length {
        Ok(body)
    } else {
        Err(BadAnswer::Frame)
    }
}

fn json_response(status: StatusCode, json: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::new(Full::new(json)));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The last touch: a gRPC error becomes the error envelope, and nothing is kept on the way, as it may be a secret.
pub(super) fn finish(protos: &Protos, answer: Response<Body>) -> Response<Body> {
    let mut response = match Status::from_header_map(answer.headers()) {
        Some(status) => {
            let (http_status, json) = error::envelope(protos, &status);
            let mut response = json_response(http_status, json);
            response
                .headers_mut()
                .extend(headers::headers(status.metadata().as_ref()));
            response
        }
        None => answer,
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
