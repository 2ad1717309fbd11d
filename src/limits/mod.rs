//! How often one subject of one tenant may call the methods of a tier: a token bucket a caller and tier, in the memory of
//! this process, or in Redis for all replicas.

mod bucket;
mod layer;
mod process;
mod redis;
mod redis_url;

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use http::{Extensions, Request};

pub use self::{
    bucket::MAX_PER_MINUTE,
    layer::RateLimitHeaders,
    redis_url::{InvalidRedisUrl, RedisUrl},
};
use self::{
    bucket::{Bucket, Decision},
    layer::Decided,
    process::ProcessLimiter,
    redis::Redis,
};
use crate::{
    auth::Caller,
    domain::ids::{Subject, TenantId},
    metrics::{self, DecidedBy},
    pb::{RateTier, v1::ErrorReason},
    rpc::{
        stack::{gate::Check, resolve::CalledMethod},
        status::Failure,
    },
};

/// How often idle callers are forgotten.
const FORGET_INTERVAL: Duration = Duration::from_mins(1);

/// Who has a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct LimitKey {
    tenant: TenantId,
    subject: Subject,
}

/// How many calls a minute each tier allows; 0 means any number.
#[derive(Debug, Clone, Copy)]
pub struct Quotas {
    /// Of reads.
    pub tier1_per_minute: u32,
    /// Of changes.
    pub tier2_per_minute: u32,
}

/// Refuses calls over the quota of their tier. Cheap to clone.
#[derive(Debug, Clone)]
pub struct RateLimit(Arc<Limiters>);

#[derive(Debug)]
struct Limiters {
    one: Option<ProcessLimiter>,
    two: Option<ProcessLimiter>,
    redis: Option<Redis>,
}

impl RateLimit {
    /// Limits in this process alone.
    pub fn new(quotas: Quotas) -> Self {
        Self::with(quotas, None)
    }

    /// Shares the limits with the other replicas on a Redis. While it does not answer, limits in this process alone, from
    /// where Redis left off.
    ///
    /// # Errors
    /// When the operating system gives no thread for it.
    pub async fn shared(quotas: Quotas, redis: RedisUrl) -> io::Result<Self> {
        Ok(Self::with(quotas, Some(Redis::connect(redis).await?)))
    }

    fn with(quotas: Quotas, redis: Option<Redis>) -> Self {
        let limiter = |tier, per_minute| Bucket::new(tier, per_minute).map(ProcessLimiter::new);
        Self(Arc::new(Limiters {
            one: limiter(RateTier::One, quotas.tier1_per_minute),
            two: limiter(RateTier::Two, quotas.tier2_per_minute),
            redis,
        }))
    }

    /// Forgets idle callers now and then. It never ends.
    pub async fn forget_idle(self) {
        let mut interval = tokio::time::interval(FORGET_INTERVAL);
        loop {
            interval.tick().await;
            for limiter in [&self.0.one, &self.0.two].into_iter().flatten() {
                limiter.forget_idle(Instant::now());
            }
        }
    }

    /// Nothing when the call is not counted.
    async fn decide(&self, call: &Extensions) -> Option<Decision> {
        let policy = call.get::<CalledMethod>()?.policy();
        let limiter = match policy.rate_tier? {
            RateTier::One => self.0.one.as_ref()?,
            RateTier::Two => self.0.two.as_ref()?,
        };
        let context: &Caller = call.get()?;
        let caller = LimitKey {
            tenant: context.tenant().clone(),
            subject: context.subject().clone(),
        };
        let (decision, by) = self.ask(limiter, &caller).await;
        metrics::limit_decided(limiter.bucket.tier, decision.allowed, by);
        Some(decision)
    }

    async fn ask(&self, limiter: &ProcessLimiter, caller: &LimitKey) -> (Decision, DecidedBy) {
        let Some(redis) = &self.0.redis else {
            return (limiter.decide(caller, Instant::now()), DecidedBy::Process);
        };
        match redis.decide(limiter.bucket, caller).await {
            Some(decision) => {
                limiter.follow(caller, &decision, Instant::now());
                (decision, DecidedBy::Redis)
            }
            None => (limiter.decide(caller, Instant::now()), DecidedBy::Fallback),
        }
    }
}

impl Check for RateLimit {
    async fn check<B: Send>(&self, request: &mut Request<B>) -> Result<(), Failure> {
        let Some(decision) = self.decide(request.extensions()).await else {
            return Ok(());
        };
        if let Some(Decided(decided)) = request.extensions().get() {
            decided.get_or_init(|| decision);
        }
        match decision.retry_after() {
            None => Ok(()),
            Some(delay) => Err(Failure::new(
                ErrorReason::RateLimited,
                "the quota of calls is used up, try again later",
            )
            .retry_after(delay)),
        }
    }
}
