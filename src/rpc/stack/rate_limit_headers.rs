//! The headers `RateLimit` and `RateLimit-Policy` of draft-ietf-httpapi-ratelimit-headers-10.

use std::{
    cell::OnceCell,
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use pin_project_lite::pin_project;
use tokio::task::futures::TaskLocalFuture;
use tonic::body::Body;
use tower::Service;

use super::HttpService;
use crate::{limits::Decision, rpc::failure::whole_seconds};

const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Adds the headers to the response to each request that was counted. It is outside of the layers that respond to a
/// request that takes too long or panics, as these were counted too.
#[derive(Debug, Clone)]
pub(super) struct RateLimitHeaders<S> {
    inner: S,
}

tokio::task_local! {
    static DECISION: OnceCell<Decision>;
}

/// Tells this layer what the rate limiter decided about the current request.
pub(super) fn record_decision(decision: Decision) {
    // A request is counted once, and always passes this layer.
    let _recorded = DECISION.try_with(|slot| slot.set(decision));
}

impl<S> RateLimitHeaders<S> {
    pub(super) fn new(inner: S) -> Self {
        Self { inner }
    }
}

impl<S, B> Service<Request<B>> for RateLimitHeaders<S>
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
        ResponseFuture {
            inner: DECISION.scope(OnceCell::new(), self.inner.call(request)),
        }
    }
}

pin_project! {
    /// The future of a response, within which the decision is recorded.
    pub(super) struct ResponseFuture<F> {
        #[pin]
        inner: TaskLocalFuture<OnceCell<Decision>, F>,
    }
}

impl<F> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<Body>, Infallible>>,
{
    type Output = Result<Response<Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut inner = self.project().inner;
        let Ok(mut response) = ready!(inner.as_mut().poll(cx));
        if let Some(decision) = inner.take_value().and_then(OnceCell::into_inner) {
            insert(response.headers_mut(), &decision);
        }
        Poll::Ready(Ok(response))
    }
}

fn insert(headers: &mut HeaderMap, decision: &Decision) {
    let (tier, quota) = (decision.tier().name(), decision.quota());
    // Microseconds that were rounded up do not make the minute longer.
    let reset = whole_seconds(decision.until_full()).min(60);
    let remaining = decision.remaining();
    for (name, value) in [
        (RATELIMIT_POLICY, format!("\"{tier}\";q={quota};w=60")),
        (RATELIMIT, format!("\"{tier}\";r={remaining};t={reset}")),
    ] {
        // Digits and letters make a header value.
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    }
}
