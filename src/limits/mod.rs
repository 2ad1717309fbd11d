//! Rate limits: a token bucket for each caller (a subject of a tenant) and tier, in the memory of this process, or in Redis
//! for all replicas.

mod bucket;
mod key;
mod process;
mod redis;
mod redis_url;

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

pub(crate) use self::bucket::Decision;
use self::{bucket::Bucket, key::LimitKey, process::ProcessLimiter, redis::RedisLimiter};
pub use self::{
    bucket::MAX_PER_MINUTE,
    redis_url::{InvalidRedisUrl, RedisUrl},
};
use crate::{
    auth::Caller,
    pb::RateTier,
    telemetry::metrics::{self, DecidedBy},
};

/// The interval at which full buckets are purged.
const PURGE_INTERVAL: Duration = Duration::from_mins(1);

/// The requests a minute that each tier allows a caller; 0 means any number.
#[derive(Debug, Clone, Copy)]
pub struct Quotas {
    /// For reads.
    pub tier1_per_minute: u32,
    /// For changes.
    pub tier2_per_minute: u32,
}

impl Quotas {
    /// No limit at all.
    pub const UNLIMITED: Self = Self {
        tier1_per_minute: 0,
        tier2_per_minute: 0,
    };
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            tier1_per_minute: 1_000,
            tier2_per_minute: 100,
        }
    }
}

/// Decides whether requests are within the quotas of their callers. Cheap to clone.
#[derive(Debug, Clone)]
pub struct RateLimiter(Arc<Limiters>);

#[derive(Debug)]
struct Limiters {
    one: Option<ProcessLimiter>,
    two: Option<ProcessLimiter>,
    redis: Option<RedisLimiter>,
}

impl RateLimiter {
    /// Creates a limiter of this process alone.
    pub fn new(quotas: Quotas) -> Self {
        Self::with(quotas, None)
    }

    /// Creates a limiter that shares its buckets with other replicas in Redis. While Redis is unavailable, it decides by
    /// itself, from where Redis left off.
    ///
    /// # Errors
    /// Returns an error if the operating system cannot start a thread.
    pub async fn shared(quotas: Quotas, redis: RedisUrl) -> io::Result<Self> {
        Ok(Self::with(quotas, Some(RedisLimiter::connect(redis).await?)))
    }

    fn with(quotas: Quotas, redis: Option<RedisLimiter>) -> Self {
        let limiter = |tier, per_minute| Bucket::new(tier, per_minute).map(ProcessLimiter::new);
        Self(Arc::new(Limiters {
            one: limiter(RateTier::One, quotas.tier1_per_minute),
            two: limiter(RateTier::Two, quotas.tier2_per_minute),
            redis,
        }))
    }

    /// Purges full buckets now and then. Never returns.
    #[expect(clippy::disallowed_methods, reason = "the task owns its timer")]
    pub async fn purge_full(&self) {
        let mut interval = tokio::time::interval(PURGE_INTERVAL);
        loop {
            interval.tick().await;
            for limiter in [&self.0.one, &self.0.two].into_iter().flatten() {
                limiter.purge_full(Instant::now());
            }
        }
    }

    /// Takes a request from the bucket that its caller has in a tier, if there is room. Returns `None` if the tier has no
    /// limit.
    pub(crate) async fn decide(&self, tier: RateTier, caller: &Caller) -> Option<Decision> {
        let limiter = match tier {
            RateTier::One => self.0.one.as_ref()?,
            RateTier::Two => self.0.two.as_ref()?,
        };
        let key = LimitKey::from(caller);
        let (decision, by) = self.decide_by(limiter, &key).await;
        metrics::limit_decided(tier, decision.allowed, by);
        Some(decision)
    }

    /// Asks Redis first, if there is one.
    #[expect(clippy::disallowed_methods, reason = "the limiters get the time from here")]
    async fn decide_by(&self, limiter: &ProcessLimiter, key: &LimitKey) -> (Decision, DecidedBy) {
        let Some(redis) = &self.0.redis else {
            return (limiter.decide(key, Instant::now()), DecidedBy::Process);
        };
        match redis.decide(limiter.bucket, key).await {
            Some(decision) => {
                limiter.follow(key, &decision, Instant::now());
                (decision, DecidedBy::Redis)
            }
            None => (limiter.decide(key, Instant::now()), DecidedBy::Fallback),
        }
    }
}
