//! The specification of the transcoder, with an API that shares nothing with the real one: `testdata/library.proto`.

mod body;
mod header;
mod hostile;
mod path;
mod query;
mod response;
pub(crate) mod streams;

use std::{
    convert::Infallible,
    sync::{Arc, LazyLock, Mutex},
    time::Duration,
};

use axum::body::Body as AxumBody;
use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use prost::Message as _;
use prost_reflect::{DeserializeOptions, DynamicMessage};
use serde_json::Value;
use tonic::{Status, body::Body};
use tower::{ServiceExt as _, service_fn, util::BoxCloneSyncService};

use super::Gateway;
use crate::{
    auth::{IssuerKeys, KeySet, TokenRules, TokenVerifier},
    limits::{Quotas, RateLimiter},
    pb::{Method, Protos},
    rpc::stack::StackConfig,
};

pub(crate) static PROTOS: LazyLock<Protos> =
    LazyLock::new(|| Protos::read(include_bytes!(concat!(env!("OUT_DIR"), "/library.bin"))).unwrap());

/// The public key of RFC 8037 appendix A.2. The tests need no tokens.
const JWKS: &[u8] =
    br#"{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

/// A request that reached the gRPC router.
#[derive(Debug)]
struct Call {
    rpc: String,
    metadata: HeaderMap,
    message: Value,
}

/// A response on REST.
#[derive(Debug)]
struct RestResponse {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
}

impl RestResponse {
    fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/json"));
        serde_json::from_slice(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        Some(self.headers.get(name)?.to_str().unwrap())
    }

    /// The errors of the envelope, as `CODE detail`.
    fn errors(&self) -> Vec<String> {
        let envelope = self.json();
        let errors = envelope["errors"].as_array().unwrap();
        let text = |error: &Value, member: &str| error[member].as_str().unwrap().to_owned();
        errors
            .iter()
            .map(|error| format!("{} {}", text(error, "code"), text(error, "detail")))
            .collect()
    }
}

/// Sends a request through a gateway to a gRPC router that responds with `respond`.
async fn exchange(
    request: Request<AxumBody>,
    respond: impl Fn(&Method) -> Response<Body> + Clone + Send + Sync + 'static,
) -> (RestResponse, Option<Call>) {
    let seen = Arc::new(Mutex::new(None));
    let router = service_fn({
        let seen = Arc::clone(&seen);
        move |request: Request<Body>| {
            let (seen, respond) = (Arc::clone(&seen), respond.clone());
            async move {
                let (method, call) = receive(request).await;
                *seen.lock().unwrap() = Some(call);
                Ok::<_, Infallible>(respond(method))
            }
        }
    });
    let gateway = Gateway::new(&PROTOS, config(), BoxCloneSyncService::new(router)).unwrap();
    let Ok(response) = gateway.oneshot(request).await;
    let (parts, body) = response.into_parts();
    let response = RestResponse {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body: body.collect().await.unwrap().to_bytes(),
    };
    let call = seen.lock().unwrap().take();
    (response, call)
}

fn config() -> StackConfig {
    let rules = TokenRules::new("", "");
    let keys = IssuerKeys::fixed(KeySet::from_json(JWKS).unwrap());
    StackConfig {
        tokens: Arc::new(TokenVerifier::new(keys, rules)),
        limiter: RateLimiter::new(Quotas::UNLIMITED),
        request_timeout: Duration::from_mins(1),
    }
}

/// Reads a request in the way of a gRPC server.
async fn receive(request: Request<Body>) -> (&'static Method, Call) {
    let (parts, body) = request.into_parts();
    assert_eq!(parts.method, "POST");
    assert_eq!(parts.headers["content-type"], "application/grpc");
    assert_eq!(parts.headers["te"], "trailers");
    let path = parts.uri.path();
    let method = PROTOS
        .methods()
        .iter()
        .find(|method| method.path == path)
        .unwrap();
    let mut frame = body.collect().await.unwrap().to_bytes();
    assert_eq!(frame.get_u8(), 0, "not compressed");
    assert_eq!(frame.get_u32() as usize, frame.len());
    let message = DynamicMessage::decode(method.descriptor.input(), frame).unwrap();
    let call = Call {
        rpc: method.descriptor.name().to_owned(),
        metadata: parts.headers,
        message: serde_json::to_value(message).unwrap(),
    };
    (method, call)
}

/// Returns a successful response of the router, with a message of the output type of the method.
fn message(method: &Method, json: Value) -> Response<Body> {
    let options = DeserializeOptions::new();
    let message =
        DynamicMessage::deserialize_with_options(method.descriptor.output(), json, &options).unwrap();
    framed(&message.encode_to_vec())
}

fn framed(message: &[u8]) -> Response<Body> {
    let mut frame = BytesMut::new();
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.len()).unwrap());
    frame.put_slice(message);
    let trailers = HeaderMap::from_iter([(
        HeaderName::from_static("grpc-status"),
        HeaderValue::from_static("0"),
    )]);
    let frames = [Frame::data(frame.freeze()), Frame::trailers(trailers)].map(Ok::<_, Status>);
    let mut response = Response::new(Body::new(StreamBody::new(stream::iter(frames))));
    let headers = response.headers_mut();
    headers.insert("content-type", "application/grpc".parse().unwrap());
    response
}

/// Returns the gRPC request that a REST request becomes.
async fn call(request: Request<AxumBody>) -> Call {
    let (response, call) = exchange(request, |_| framed(b"")).await;
    call.unwrap_or_else(|| panic!("rejected: {response:?}"))
}

/// Returns the response to a request that never reaches the router.
async fn refusal(request: Request<AxumBody>) -> RestResponse {
    let (response, call) = exchange(request, |_| framed(b"")).await;
    assert!(call.is_none(), "{call:?}");
    response
}

fn request(method: &str, uri: &str, body: impl Into<AxumBody>) -> Request<AxumBody> {
    let request = Request::builder().method(method).uri(uri).header("host", "a");
    request.body(body.into()).unwrap()
}

fn get(uri: &str) -> Request<AxumBody> {
    request("GET", uri, "")
}

fn post(uri: &str, body: impl Into<AxumBody>) -> Request<AxumBody> {
    request("POST", uri, body)
}

fn with_header(mut request: Request<AxumBody>, name: &'static str, value: &str) -> Request<AxumBody> {
    request.headers_mut().append(name, value.parse().unwrap());
    request
}
