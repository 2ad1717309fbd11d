//! The inside of the REST transport: reads the body, makes the message, calls the gRPC router, makes the response.

use std::{
    convert::Infallible,
    mem,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::{BufMut as _, Bytes, BytesMut};
use futures_util::{FutureExt as _, future::BoxFuture};
use http::{HeaderValue, Method as HttpMethod, Request, Response, header};
use http_body::Body as _;
use http_body_util::{BodyExt as _, Full};
use prost::Message as _;
use tonic::{Code, Status, body::Body};
use tower::{Service, ServiceExt as _, util::BoxCloneSyncService};

use super::{
    Match, Matched, binding,
    drain::Drained,
    json, request,
    response::{self, BadAnswer},
};
use crate::{pb::v1::ErrorReason, rpc::failure::Failure};

/// The gRPC router.
pub(super) type BoxRouter = BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>;

/// The largest body.
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// Answers matched requests by calling the gRPC router. Errors are answered as gRPC says them.
#[derive(Debug, Clone)]
pub(super) struct Transcode {
    router: BoxRouter,
}

impl Transcode {
    pub(super) fn new(router: BoxRouter) -> Self {
        Self { router }
    }
}

impl Service<Request<Drained>> for Transcode {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.router.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Drained>) -> Self::Future {
        // The clone was not polled ready, the one that was goes along.
        let clone = self.router.clone();
        let router = mem::replace(&mut self.router, clone);
        transcode(router, request)
            .map(|outcome| Ok(outcome.unwrap_or_else(|failure| Status::from(failure).into_http())))
            .boxed()
    }
}

async fn transcode(router: BoxRouter, request: Request<Drained>) -> Result<Response<Body>, Failure> {
    let (mut parts, body) = request.into_parts();
    let matched = match parts.extensions.remove::<Match>() {
        Some(Match(Ok(matched))) => matched,
        Some(Match(Err(_))) | None => {
            return Err(Failure::new(
                ErrorReason::RouteNotFound,
                "nothing is served at this path",
            ));
        }
    };
    let body = read_body(&matched, body).await?;
    let message = request::message(&matched, body)?;
    parts.method = HttpMethod::POST;
    parts
        .headers
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    parts
        .headers
        .insert(header::TE, HeaderValue::from_static("trailers"));
    let call = Request::from_parts(parts, Body::new(Full::new(frame(&message.encode_to_vec()))));
    let Ok(answer) = router.oneshot(call).await;
    if Status::from_header_map(answer.headers()).is_some() {
        return Ok(answer);
    }
    respond(&matched, answer).await.map_err(Failure::internal)
}

async fn respond(matched: &Arc<Matched>, answer: Response<Body>) -> Result<Response<Body>, BadAnswer> {
    let (parts, body) = answer.into_parts();
    let body = body.collect().await?;
    // An error after the headers comes with the trailers.
    if let Some(status) = body.trailers().and_then(Status::from_header_map)
        && status.code() != Code::Ok
    {
        return Ok(status.into_http());
    }
    response::success(matched.binding.method, &parts.headers, body.to_bytes())
}

/// A message as a gRPC body: not compressed, its length, and it.
fn frame(message: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(message.len() + 5);
    frame.put_u8(0);
    // Made of a body of at most 1 MiB, so it fits.
    frame.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    frame.put_slice(message);
    frame.freeze()
}

/// The JSON of a body, if the binding has a use for one.
async fn read_body(matched: &Matched, body: Drained) -> Result<Option<serde_json::Value>, Failure> {
    let wanted = !matches!(matched.binding.body, binding::Body::None);
    if wanted && !is_json(matched) {
        let detail = "the body must be application/json or application/json-patch+json";
        return Err(Failure::new(ErrorReason::UnsupportedMediaType, detail));
    }
    let bytes = limited(body).await?;
    if !wanted {
        return Ok(None);
    }
    json::read(&bytes)
        .map(Some)
        .map_err(|error| Failure::new(ErrorReason::MalformedJson, error.to_string()))
}

/// Whether the content type is JSON's or absent (RFC 9110 section 8.3). Its parameters do not matter.
fn is_json(matched: &Matched) -> bool {
    let value = match matched.headers.get(header::CONTENT_TYPE).map(HeaderValue::to_str) {
        None => "",
        Some(Ok(value)) => value,
        Some(Err(_)) => return false,
    };
    let media_type = value.split(';').next().unwrap_or_default().trim();
    ["", "application/json", "application/json-patch+json"]
        .iter()
        .any(|json| media_type.eq_ignore_ascii_case(json))
}

async fn limited(mut body: Drained) -> Result<Bytes, Failure> {
    let too_large = || Failure::new(ErrorReason::BodyTooLarge, "the body is larger than 1 MiB");
    if body.size_hint().lower() > MAX_BODY_BYTES as u64 {
        return Err(too_large());
    }
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame
            .map_err(|_| Failure::new(ErrorReason::MalformedJson, "the body broke off before its end"))?;
        if let Some(data) = frame.data_ref() {
            if bytes.len() + data.len() > MAX_BODY_BYTES {
                return Err(too_large());
            }
            bytes.extend_from_slice(data);
        }
    }
    Ok(bytes.freeze())
}
