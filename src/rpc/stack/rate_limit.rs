//! Refuses requests over the quota of their caller.

use http::{Extensions, Request};

use super::{filter::AsyncPredicate, rate_limit_headers::record_decision, resolve::CalledMethod};
use crate::{
    auth::Caller,
    limits::{Decision, RateLimiter},
    pb::v1::ErrorReason,
    rpc::failure::Failure,
};

/// Admits requests within the quota that their caller has in the tier of the called method.
#[derive(Debug, Clone)]
pub(super) struct RateLimit(RateLimiter);

impl RateLimit {
    pub(super) fn new(limiter: RateLimiter) -> Self {
        Self(limiter)
    }

    /// Returns `None` if the request is not counted.
    async fn decide(&self, request: &Extensions) -> Option<Decision> {
        let tier = request.get::<CalledMethod>()?.policy().rate_tier?;
        self.0.decide(tier, request.get::<Caller>()?).await
    }
}

impl AsyncPredicate for RateLimit {
    async fn check<B: Send>(&self, request: &mut Request<B>) -> Result<(), Failure> {
        let Some(decision) = self.decide(request.extensions()).await else {
            return Ok(());
        };
        record_decision(decision);
        match decision.retry_after() {
            None => Ok(()),
            Some(delay) => Err(Failure::new(
                ErrorReason::RateLimited,
                "the quota of requests is used up, try again later",
            )
            .retry_after(delay)),
        }
    }
}
