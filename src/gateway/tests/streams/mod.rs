//! Streams of messages, through the gRPC router as it is behind both transports.

mod ends;
mod flow;
mod grpc;
mod lines;
mod log;

use std::{future::ready, time::Duration};

use axum::body::Body as AxumBody;
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt as _;
use prost_reflect::DynamicMessage;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tonic::{
    Code, Status,
    body::Body,
    codec::{BufferSettings, EncodeBody, SingleMessageCompressionOverride},
};
use tonic_prost::ProstEncoder;
use tower::{ServiceExt as _, service_fn, util::BoxCloneSyncService};

use super::{PROTOS, config, get};
use crate::{
    gateway::Gateway,
    pb::{Method, v1::ErrorReason},
    rpc::{
        failure::Failure,
        stack::{HttpService, grpc_router},
    },
};

/// What the handler of a stream yields.
pub(crate) type Item = Result<DynamicMessage, Status>;

/// Returns a gateway to a handler that responds with what `respond` returns.
pub(crate) fn gateway(respond: impl Fn() -> Response<Body> + Clone + Send + Sync + 'static) -> Gateway {
    let router = BoxCloneSyncService::new(grpc_router(handler(respond)));
    Gateway::new(&PROTOS, config(), router).unwrap()
}

fn handler(
    respond: impl Fn() -> Response<Body> + Clone + Send + Sync + 'static,
) -> impl HttpService<Body> + Clone + Sync {
    service_fn(move |_: Request<Body>| ready(Ok(respond())))
}

/// Returns a gateway to a handler that responds with a stream, in the way of tonic.
pub(crate) fn streaming<S>(items: impl Fn() -> S + Clone + Send + Sync + 'static) -> Gateway
where
    S: Stream<Item = Item> + Send + 'static,
{
    gateway(move || streamed(items()))
}

fn streamed(items: impl Stream<Item = Item> + Send + 'static) -> Response<Body> {
    let encoder = ProstEncoder::new(BufferSettings::default());
    let compression = SingleMessageCompressionOverride::default();
    let body = EncodeBody::new_server(encoder, items, None, compression, None);
    let mut response = Response::new(Body::new(body));
    let headers = response.headers_mut();
    headers.insert("content-type", "application/grpc".parse().unwrap());
    headers.insert("colour", "red".parse().unwrap());
    response
}

pub(crate) fn method() -> &'static Method {
    let mut methods = PROTOS.methods().iter();
    methods
        .find(|method| method.descriptor.name() == "ReadBook")
        .unwrap()
}

fn message(json: Value) -> DynamicMessage {
    DynamicMessage::deserialize(method().descriptor.output(), json).unwrap()
}

/// A chapter with a text of a length.
pub(crate) fn chapter(number: usize, length: usize) -> DynamicMessage {
    message(json!({"number": number, "text": "x".repeat(length)}))
}

/// Returns the items of a stream that succeeds.
fn chapters(count: usize) -> impl Stream<Item = Item> + Send + 'static {
    stream::iter(0..count).map(|number| Ok(chapter(number, 1)))
}

/// Returns a stream of the items that are sent.
pub(crate) fn sent(items: mpsc::Receiver<Item>) -> impl Stream<Item = Item> + Send + 'static {
    stream::unfold(items, async |mut items| Some((items.recv().await?, items)))
}

fn read() -> Request<AxumBody> {
    get("/v1/books/a:read")
}

/// A response on REST that is read line by line.
struct Lines {
    status: u16,
    headers: HeaderMap,
    body: Body,
}

impl Lines {
    async fn of(gateway: Gateway, request: Request<AxumBody>) -> Self {
        let Ok(response) = gateway.oneshot(request).await;
        let (parts, body) = response.into_parts();
        Self {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body,
        }
    }

    /// Returns the next line, or `None` at the end.
    async fn next(&mut self) -> Option<Value> {
        let line = self.body.frame().await?.unwrap().into_data().unwrap();
        let line = line.strip_suffix(b"\n").expect("a line ends");
        assert!(!line.contains(&b'\n'), "{line:?}");
        Some(serde_json::from_slice(line).unwrap())
    }

    async fn rest(mut self) -> Vec<Value> {
        let mut lines = Vec::new();
        while let Some(line) = self.next().await {
            lines.push(line);
        }
        lines
    }

    fn header(&self, name: &str) -> Option<&str> {
        Some(self.headers.get(name)?.to_str().unwrap())
    }

    /// Returns the error of a response that is not a stream.
    async fn error(self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/json"));
        let body: Bytes = self.body.collect().await.unwrap().to_bytes();
        let mut envelope: Value = serde_json::from_slice(&body).unwrap();
        envelope["errors"][0].take()
    }
}

async fn lines(gateway: Gateway) -> Lines {
    Lines::of(gateway, read()).await
}
