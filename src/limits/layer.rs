//! The headers that tell a caller where he stands with his quota: `RateLimit` and `RateLimit-Policy` of
//! draft-ietf-httpapi-ratelimit-headers-10.

use std::{
    convert::Infallible,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
};

use futures_util::{FutureExt as _, future::BoxFuture};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use tonic::body::Body;
use tower::Service;

use super::bucket::Decision;
use crate::rpc::failure::whole_seconds;

const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Puts the headers on the answer to each call that is counted. It stands outside of what answers for a call that takes
/// too long or panics, as that was counted too.
#[derive(Debug, Clone)]
pub struct RateLimitHeaders<S> {
    inner: S,
}

/// Where the limiter leaves what it decided of a call.
#[derive(Debug, Clone, Default)]
pub(super) struct Decided(pub(super) Arc<OnceLock<Decision>>);

impl<S> RateLimitHeaders<S> {
    /// A service whose answers have the headers.
    pub fn new(inner: S) -> Self {
        Self { inner }
    }
}

impl<S, B> Service<Request<B>> for RateLimitHeaders<S>
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

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let decided = Decided::default();
        request.extensions_mut().insert(decided.clone());
        let answer = self.inner.call(request);
        answer
            .map(move |Ok(mut answer)| {
                if let Some(decision) = decided.0.get() {
                    announce(decision, answer.headers_mut());
                }
                Ok(answer)
            })
            .boxed()
    }
}

fn announce(decision: &Decision, headers: &mut HeaderMap) {
    let (tier, quota) = (decision.bucket.tier.name(), decision.bucket.quota);
    // Microseconds that were rounded up do not make the minute longer.
    let reset = whole_seconds(decision.until_full).min(60);
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
