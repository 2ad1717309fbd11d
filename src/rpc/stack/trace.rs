//! A span around each request, its metrics, and its line in the log.

use std::{
    convert::Infallible,
    task::{Context, Poll},
};

use futures_util::future::BoxFuture;
use http::{HeaderMap, Request, Response};
use opentelemetry::propagation::Extractor;
use tonic::body::Body;
use tower::Service;
use tracing::{Instrument as _, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::{HttpService, request_log::RequestLog};

/// Traces, measures and logs the requests to the inner service.
#[derive(Debug, Clone)]
pub(super) struct Trace<S> {
    inner: S,
}

impl<S> Trace<S> {
    pub(super) fn new(inner: S) -> Self {
        Self { inner }
    }
}

impl<S, B> Service<Request<B>> for Trace<S>
where
    S: HttpService<B>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let log = RequestLog::new(&request);
        let span = request_span(&log, request.headers());
        let response = log.enter(|| span.in_scope(|| self.inner.call(request)));
        Box::pin(async move {
            let Ok(response) = log.collect(response).instrument(span.clone()).await;
            log.finish(&span, &response);
            Ok(response)
        })
    }
}

/// Creates the span of a request, as a child of the caller's own (W3C Trace Context).
fn request_span(log: &RequestLog, headers: &HeaderMap) -> Span {
    let span = tracing::info_span!(
        "request",
        otel.name = log.method(),
        otel.kind = "server",
        request_id = log.request_id(),
    );
    let parent =
        opentelemetry::global::get_text_map_propagator(|propagator| propagator.extract(&Headers(headers)));
    // Without an exporter there is no trace to continue.
    let _not_traced = span.set_parent(parent);
    span
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
