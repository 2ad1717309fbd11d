//! A span around each call, and one line in the log when it is answered.

use std::{
    borrow::Cow,
    convert::Infallible,
    error::Error,
    task::{Context, Poll},
    time::Instant,
};

use futures_util::future::BoxFuture;
use http::{HeaderMap, Request, Response};
use opentelemetry::propagation::Extractor;
use tonic::{Code, Status, body::Body};
use tonic_types::StatusExt as _;
use tower::Service;
use tracing::{Instrument as _, Span, field::Empty};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::request_id::X_REQUEST_ID;
use crate::{error_chain::error_chain, metrics, rpc::failure::Cause};

/// The longest path that is logged whole. No method's path is near that long, but a path may have 64 KiB, and the
/// memory of the log's queue must not be the caller's choice.
const MAX_PATH_BYTES: usize = 300;

/// Traces the calls of the inner service. The span continues the caller's trace (W3C Trace Context).
#[derive(Debug, Clone)]
pub struct Trace<S> {
    inner: S,
}

impl<S> Trace<S> {
    /// A service whose calls are traced.
    pub fn new(inner: S) -> Self {
        Self { inner }
    }
}

impl<S, B> Service<Request<B>> for Trace<S>
where
    S: Service<Request<B>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let started = Instant::now();
        let span = span_of(&request);
        let path = request.uri().path().to_owned();
        let answer = span.in_scope(|| self.inner.call(request));
        Box::pin(
            async move {
                let Ok(response) = answer.await;
                let code = log(&response, started);
                metrics::call_answered(&path, code, started.elapsed());
                Ok(response)
            }
            .instrument(span),
        )
    }
}

fn span_of<B>(request: &Request<B>) -> Span {
    let path = request.uri().path();
    let method = path.get(..path.floor_char_boundary(MAX_PATH_BYTES));
    let id = request
        .headers()
        .get(X_REQUEST_ID)
        .and_then(|id| id.to_str().ok());
    let span = tracing::info_span!(
        "call",
        otel.name = method,
        otel.kind = "server",
        method,
        request_id = id,
        tenant = Empty,
        subject = Empty,
        client_id = Empty,
    );
    let parent = opentelemetry::global::get_text_map_propagator(|propagator| {
        propagator.extract(&Headers(request.headers()))
    });
    // Without an exporter there is no trace to continue.
    let _not_traced = span.set_parent(parent);
    span
}

/// Writes the request's line, and returns the code of its response.
fn log(response: &Response<Body>, started: Instant) -> Code {
    // A status that generated code writes is in the headers only.
    let written = || Status::from_header_map(response.headers()).map(Cow::Owned);
    let status = response.extensions().get().map(Cow::Borrowed).or_else(written);
    let status = status.as_deref();
    let code = status.map_or(Code::Ok, Status::code);
    let info = status.and_then(Status::get_details_error_info);
    let reason = info.map(|info| info.reason);
    let cause = status
        .and_then(Error::source)
        .and_then(|source| source.downcast_ref::<Cause>());
    let milliseconds = started.elapsed().as_secs_f64() * 1_000.0;
    match cause {
        None => tracing::info!(?code, reason, milliseconds, "answered"),
        Some(cause) => {
            let text = error_chain(cause);
            match cause {
                Cause::Unavailable(_) => {
                    tracing::warn!(?code, reason, milliseconds, cause = text, "unavailable");
                }
                Cause::CorruptRecord(_) => {
                    tracing::error!(?code, reason, milliseconds, cause = text, "corrupt record");
                }
                Cause::Internal(_) => {
                    tracing::error!(?code, reason, milliseconds, cause = text, "internal error");
                }
            }
        }
    }
    code
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}
