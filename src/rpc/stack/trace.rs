//! A span around each request, its metrics, and its line in the log.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{HeaderMap, Request, Response};
use opentelemetry::propagation::Extractor;
use pin_project_lite::pin_project;
use tonic::body::Body;
use tower::Service;
use tracing::{Instrument as _, Span, instrument::Instrumented};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::{
    HttpService,
    request_id::X_REQUEST_ID,
    request_log::{Collect, RequestLog},
    stream_log,
    streams::is_stream,
};
use crate::{single_header::single_header, telemetry};

const TRACESTATE: &str = "tracestate";

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
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let log = RequestLog::new(&request);
        let span = request_span(&log, request.headers());
        let response = log.enter(|| span.in_scope(|| self.inner.call(request)));
        ResponseFuture {
            inner: log.collect(response).instrument(span),
            log: Some(log),
        }
    }
}

pin_project! {
    /// The future of a response, which is logged when it is there, or at its end if it is a stream.
    pub(super) struct ResponseFuture<F> {
        #[pin]
        inner: Instrumented<Collect<F>>,
        log: Option<RequestLog>,
    }
}

impl<F> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<Body>, Infallible>>,
{
    type Output = Result<Response<Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let Ok(mut response) = ready!(this.inner.as_mut().poll(cx));
        let span = this.inner.span();
        let Some(mut log) = this.log.take() else {
            return Poll::Ready(Ok(response));
        };
        if let Some(id) = log.late_request_id() {
            response.headers_mut().insert(X_REQUEST_ID, id.clone());
        }
        if is_stream(&response) {
            return Poll::Ready(Ok(stream_log::log_at_end(log, span.clone(), response)));
        }
        log.finish(span, &response);
        Poll::Ready(Ok(response))
    }
}

/// Creates the span of a request, as a child of the caller's own (W3C Trace Context).
fn request_span(log: &RequestLog, headers: &HeaderMap) -> Span {
    let span = tracing::info_span!(
        "request",
        otel.name = log.method(),
        otel.kind = "server",
        request_id = log.final_request_id(),
    );
    if !telemetry::exports_spans() {
        return span;
    }
    let headers = TraceHeaders::new(headers);
    let parent = opentelemetry::global::get_text_map_propagator(|propagator| propagator.extract(&headers));
    // A span that is filtered out continues no trace.
    let _not_traced = span.set_parent(parent);
    span
}

/// The headers of a request, as the propagator reads them.
struct TraceHeaders<'a> {
    headers: &'a HeaderMap,
    /// The lists of all `tracestate` headers, combined (W3C Trace Context section 3.3.1.1).
    state: String,
}

impl<'a> TraceHeaders<'a> {
    fn new(headers: &'a HeaderMap) -> Self {
        let lists = headers.get_all(TRACESTATE).iter();
        let lists: Vec<&str> = lists.filter_map(|list| list.to_str().ok()).collect();
        let state = lists.join(",");
        Self { headers, state }
    }
}

impl Extractor for TraceHeaders<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            TRACESTATE => (!self.state.is_empty()).then_some(&*self.state),
            // With different values there is no parent.
            key => single_header(self.headers, key).ok()??.to_str().ok(),
        }
    }

    fn keys(&self) -> Vec<&str> {
        self.headers.keys().map(http::HeaderName::as_str).collect()
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(sent: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in sent {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn differing_parents_are_none() {
        for (values, parent) in [(["a", "a"], Some("a")), (["a", "b"], None)] {
            let headers = headers(&values.map(|value| ("traceparent", value)));
            assert_eq!(TraceHeaders::new(&headers).get("traceparent"), parent);
        }
    }

    #[test]
    fn the_lists_of_tracestate_are_combined() {
        let sent = headers(&[("tracestate", "a=1"), ("tracestate", "b=2,c=3")]);
        assert_eq!(TraceHeaders::new(&sent).get("tracestate"), Some("a=1,b=2,c=3"));
        assert_eq!(TraceHeaders::new(&headers(&[])).get("tracestate"), None);
    }
}
