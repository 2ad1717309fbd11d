//! The headers `RateLimit` and `RateLimit-Policy` of draft-ietf-httpapi-ratelimit-headers-10.

use std::{
    convert::Infallible,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
};

use futures_util::{FutureExt as _, future::BoxFuture};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
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

/// The place in a request's extensions that takes the decision of the rate limiter.
#[derive(Debug, Clone, Default)]
pub(super) struct DecisionSlot(Arc<OnceLock<Decision>>);

impl DecisionSlot {
    pub(super) fn fill(&self, decision: Decision) {
        self.0.get_or_init(|| decision);
    }
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
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let slot = DecisionSlot::default();
        request.extensions_mut().insert(slot.clone());
        let response = self.inner.call(request);
        response
            .map(move |Ok(mut response)| {
                if let Some(decision) = slot.0.get() {
                    insert(response.headers_mut(), decision);
                }
                Ok(response)
            })
            .boxed()
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
