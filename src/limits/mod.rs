//! How often one subject of one tenant may call the methods of a tier.

use std::{num::NonZeroU32, sync::Arc};

use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock as _, DefaultClock},
};
use http::Request;

use crate::{
    auth::CallContext,
    domain::ids::{Subject, TenantId},
    pb::{RateTier, v1::ErrorReason},
    rpc::{
        stack::{gate::Check, resolve::CalledMethod},
        status::Failure,
    },
};

type Caller = (TenantId, Subject);

/// Refuses calls over the quota of their tier: a token bucket a caller and tier, whose burst is the quota of a minute.
#[derive(Debug, Clone)]
pub struct RateLimit(Arc<Tiers>);

#[derive(Debug)]
struct Tiers {
    one: Option<DefaultKeyedRateLimiter<Caller>>,
    two: Option<DefaultKeyedRateLimiter<Caller>>,
}

/// How many calls a minute each tier allows; 0 means any number.
#[derive(Debug, Clone, Copy)]
pub struct Quotas {
    /// Of reads.
    pub tier1_per_minute: u32,
    /// Of changes.
    pub tier2_per_minute: u32,
}

impl RateLimit {
    /// Limits in this process alone.
    pub fn new(quotas: Quotas) -> Self {
        let limiter =
            |per_minute| NonZeroU32::new(per_minute).map(|n| RateLimiter::keyed(Quota::per_minute(n)));
        Self(Arc::new(Tiers {
            one: limiter(quotas.tier1_per_minute),
            two: limiter(quotas.tier2_per_minute),
        }))
    }

    /// Forgets the callers whose buckets are full again. To be called now and then.
    pub fn forget_idle(&self) {
        for limiter in [&self.0.one, &self.0.two].into_iter().flatten() {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    }
}

impl Check for RateLimit {
    async fn check<B: Send>(&self, request: &mut Request<B>) -> Result<(), Failure> {
        let extensions = request.extensions();
        let tier = extensions
            .get::<CalledMethod>()
            .and_then(|CalledMethod(policy)| policy.rate_tier);
        let limiter = match tier {
            None => None,
            Some(RateTier::One) => self.0.one.as_ref(),
            Some(RateTier::Two) => self.0.two.as_ref(),
        };
        let (Some(limiter), Some(context)) = (limiter, extensions.get::<CallContext>()) else {
            return Ok(());
        };
        let caller = (context.tenant().clone(), context.subject().clone());
        limiter.check_key(&caller).map_err(|not_until| {
            Failure::new(
                ErrorReason::RateLimited,
                "the quota of calls is used up, try again later",
            )
            .retry_after(not_until.wait_time_from(DefaultClock::default().now()))
        })
    }
}
