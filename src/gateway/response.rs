//! Translates a gRPC response to HTTP and JSON.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS},
};
use http_body_util::Full;
use prost::Message as _;
use prost_reflect::{DynamicMessage, Kind, MessageDescriptor, SerializeOptions};
use thiserror::Error;
use tonic::{Status, body::Body};

use super::{envelope, headers};
use crate::{
    pb::{Method, Protos},
    rpc::{
        encoded::{EncodedPage, EncodedResponse},
        frame,
    },
    store::Encoded,
};

/// An invalid response of the gRPC router, which is a bug.
#[derive(Debug, Error)]
pub(super) enum InvalidResponse {
    #[error("the body of the response ended early")]
    Body(#[from] Status),
    #[error("the response is not one message")]
    Frame,
    #[error("the stream of messages is malformed or ended early")]
    Stream,
    #[error("the message of the response cannot be decoded")]
    Message(#[from] prost::DecodeError),
    #[error("the message of the response cannot be written as JSON")]
    Json(#[from] serde_json::Error),
    #[error("the message of the response does not begin with an empty list")]
    Page,
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

/// Returns the response of a successful method whose message is encoded already. The JSON of a client is made once.
pub(super) fn encoded(
    method: &Method,
    metadata: &HeaderMap,
    encoded: &EncodedResponse,
) -> Result<Response<Body>, InvalidResponse> {
    let json = match encoded {
        EncodedResponse::Client(client) => client_json(client, method.descriptor.output())?,
        EncodedResponse::Page(page) => page_json(page, method)?,
        EncodedResponse::Frame(frame) => return success(method, metadata, frame.clone()),
    };
    let mut response = json_response(method.policy.success_status, json);
    response.headers_mut().extend(headers::headers(metadata));
    Ok(response)
}

fn client_json(client: &Encoded, descriptor: MessageDescriptor) -> Result<Bytes, InvalidResponse> {
    if let Some(json) = client.json.get() {
        return Ok(json.clone());
    }
    let message = frame::decode(client.frame.clone()).ok_or(InvalidResponse::Frame)?;
    let json = json(&DynamicMessage::decode(descriptor, message)?)?;
    Ok(client.json.get_or_init(|| json).clone())
}

/// Returns the JSON of a page: that of the page without clients, with the clients written into its first member, the list.
fn page_json(page: &EncodedPage, method: &Method) -> Result<Bytes, InvalidResponse> {
    let descriptor = method.descriptor.output();
    let list = descriptor.fields().next().ok_or(InvalidResponse::Page)?;
    let Kind::Message(client) = list.kind() else {
        return Err(InvalidResponse::Page);
    };
    let rest = json(&DynamicMessage::decode(
        descriptor.clone(),
        page.rest.encode_to_vec().as_slice(),
    )?)?;
    let start = format!("{{\"{}\":[", list.json_name());
    let rest = rest.strip_prefix(start.as_bytes()).ok_or(InvalidResponse::Page)?;
    let clients = page
        .clients
        .iter()
        .map(|encoded| client_json(encoded, client.clone()));
    let clients: Vec<Bytes> = clients.collect::<Result<_, _>>()?;
    Ok([start.as_bytes(), &clients.join(&b','), rest].concat().into())
}

fn decode(method: &Method, body: Bytes) -> Result<DynamicMessage, InvalidResponse> {
    let message = frame::decode(body).ok_or(InvalidResponse::Frame)?;
    Ok(DynamicMessage::decode(method.descriptor.output(), message)?)
}

fn json(message: &DynamicMessage) -> Result<Bytes, InvalidResponse> {
    let mut json = Vec::new();
    write_json(message, &mut json)?;
    // Memory may keep it, so it takes no more room than it needs.
    Ok(Bytes::from(json.into_boxed_slice()))
}

pub(super) fn write_json(message: &DynamicMessage, json: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    let options = SerializeOptions::new().skip_default_fields(false);
    message.serialize_with_options(&mut serde_json::Serializer::new(json), &options)
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
