//! Translates a gRPC response to HTTP and JSON.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS},
};
use http_body_util::Full;
use prost_reflect::{DynamicMessage, SerializeOptions};
use thiserror::Error;
use tonic::{Status, body::Body};

use super::{envelope, headers};
use crate::{
    pb::{Method, Protos},
    rpc::{encoded::EncodedResponse, frame},
};

/// An invalid response of the gRPC router, which is a bug.
#[derive(Debug, Error)]
pub(super) enum InvalidResponse {
    #[error("the body of the response ended early")]
    Body(#[from] Status),
    #[error("the response is not one message")]
    Frame,
    #[error("the message of the response cannot be decoded")]
    Message(#[from] prost::DecodeError),
    #[error("the message of the response cannot be written as JSON")]
    Json(#[from] serde_json::Error),
}

/// Returns the response of a successful method: the message as canonical proto JSON. Fields with presence are omitted if
/// they are not set, all others never.
pub(super) fn success(
    method: &Method,
    metadata: &HeaderMap,
    body: Bytes,
) -> Result<Response<Body>, InvalidResponse> {
    let message = decode(method, body)?;
    let policy = &method.policy;
    let is_empty = message.fields().next().is_none();
    let mut response =
        if policy.success_status == StatusCode::NO_CONTENT || policy.no_content_when_empty && is_empty {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NO_CONTENT;
            response
        } else {
            json_response(policy.success_status, json(&message)?)
        };
    response.headers_mut().extend(headers::headers(metadata));
    Ok(response)
}

/// Returns the response of a successful method whose message is encoded already. Its JSON is made once.
pub(super) fn encoded(
    method: &Method,
    metadata: &HeaderMap,
    encoded: &EncodedResponse,
) -> Result<Response<Body>, InvalidResponse> {
    let EncodedResponse::Client(client) = encoded else {
        return success(method, metadata, encoded.frame().clone());
    };
    let json = if let Some(json) = client.json.get() {
        json.clone()
    } else {
        let json = json(&decode(method, client.frame.clone())?)?;
        client.json.get_or_init(|| json).clone()
    };
    let mut response = json_response(method.policy.success_status, json);
    response.headers_mut().extend(headers::headers(metadata));
    Ok(response)
}

fn decode(method: &Method, body: Bytes) -> Result<DynamicMessage, InvalidResponse> {
    let message = frame::decode(body).ok_or(InvalidResponse::Frame)?;
    Ok(DynamicMessage::decode(method.descriptor.output(), message)?)
}

fn json(message: &DynamicMessage) -> Result<Bytes, InvalidResponse> {
    let mut json = serde_json::Serializer::new(Vec::new());
    message.serialize_with_options(&mut json, &SerializeOptions::new().skip_default_fields(false))?;
    // Memory may keep it, so it takes no more room than it needs.
    Ok(Bytes::from(json.into_inner().into_boxed_slice()))
}

fn json_response(status: StatusCode, json: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::new(Full::new(json)));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Turns a gRPC error into the error envelope, and forbids caching, as any response may contain a secret.
pub(super) fn finish(protos: &Protos, response: Response<Body>) -> Response<Body> {
    let mut response = match Status::from_header_map(response.headers()) {
        Some(status) => {
            let (http_status, json) = envelope::envelope(protos, &status);
            let mut response = json_response(http_status, json);
            response
                .headers_mut()
                .extend(headers::headers(status.metadata().as_ref()));
            response
        }
        None => response,
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
