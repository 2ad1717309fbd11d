//! Limits in the memory of this process.
//!
//! No crate for rate limits lets a bucket be set to the state of another one. While Redis decides, the buckets here follow
//! it, so that a replica goes on from there when Redis becomes unavailable.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{
    bucket::{Bucket, Decision},
    key::LimitKey,
};

/// The buckets of a tier.
#[derive(Debug)]
pub(super) struct ProcessLimiter {
    pub(super) bucket: Bucket,
    /// The time at which the bucket of a caller is full again. A caller that is not in the map has a full one.
    full_at: Mutex<HashMap<LimitKey, Instant>>,
}

impl ProcessLimiter {
    pub(super) fn new(bucket: Bucket) -> Self {
        Self {
            bucket,
            full_at: Mutex::default(),
        }
    }

    /// Takes a request from the bucket of its caller, if there is room.
    pub(super) fn decide(&self, caller: &LimitKey, now: Instant) -> Decision {
        let mut callers = self.callers();
        if let Some(full_at) = callers.get_mut(caller) {
            let decision = self.bucket.take(full_at.saturating_duration_since(now));
            *full_at = now + decision.until_full;
            return decision;
        }
        let decision = self.bucket.take(Duration::ZERO);
        callers.insert(caller.clone(), now + decision.until_full);
        decision
    }

    /// Sets a bucket to its state after a decision of Redis, unless it is less full already.
    pub(super) fn follow(&self, caller: &LimitKey, decision: &Decision, now: Instant) {
        let full_there = now + decision.until_full;
        let mut callers = self.callers();
        match callers.get_mut(caller) {
            Some(full_at) => *full_at = full_there.max(*full_at),
            None => drop(callers.insert(caller.clone(), full_there)),
        }
    }

    /// Purges the buckets that are full again.
    pub(super) fn purge_full(&self, now: Instant) {
        let mut callers = self.callers();
        callers.retain(|_, full_at| *full_at > now);
        callers.shrink_to_fit();
    }

    fn callers(&self) -> MutexGuard<'_, HashMap<LimitKey, Instant>> {
        // No change can panic in the middle.
        self.full_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::ids::{Subject, TenantId},
        pb::RateTier,
    };

    fn limiter(per_minute: u32) -> ProcessLimiter {
        ProcessLimiter::new(Bucket::new(RateTier::One, per_minute).unwrap())
    }

    fn caller(tenant: &str, subject: &str) -> LimitKey {
        LimitKey {
            tenant: TenantId::parse(tenant).unwrap(),
            subject: Subject::parse(subject).unwrap(),
        }
    }

    #[test]
    fn a_full_bucket_admits_the_quota_at_once() {
        let (limiter, now) = (limiter(60), Instant::now());
        let caller = caller("a", "b");
        for remaining in (0..60).rev() {
            let decision = limiter.decide(&caller, now);
            let until_full = Duration::from_secs(60 - u64::from(remaining));
            assert_eq!((decision.allowed, decision.until_full), (true, until_full));
            assert_eq!(decision.remaining(), remaining);
        }
        assert!(!limiter.decide(&caller, now).allowed);
    }

    #[test]
    fn a_caller_is_admitted_after_the_wait_and_not_before() {
        let (limiter, mut now) = (limiter(7), Instant::now());
        let (caller, least) = (caller("a", "b"), Duration::from_nanos(1));
        while limiter.decide(&caller, now).allowed {}
        for _ in 0..20 {
            now += limiter
                .decide(&caller, now)
                .retry_after()
                .unwrap()
                .checked_sub(least)
                .unwrap();
            assert_eq!(limiter.decide(&caller, now).retry_after(), Some(least));
            now += least;
            assert!(limiter.decide(&caller, now).allowed);
        }
    }

    #[test]
    fn a_minute_admits_no_more_than_the_quota_and_a_full_bucket() {
        for quota in [1, 7, 59, 1_000] {
            let (limiter, mut now) = (limiter(quota), Instant::now());
            let caller = caller("a", "b");
            let mut allowed = 0;
            for _ in 0..60_000 {
                allowed += u32::from(limiter.decide(&caller, now).allowed);
                now += Duration::from_millis(1);
            }
            assert!(
                (2 * quota - 1..=2 * quota).contains(&allowed),
                "{allowed} of {quota}"
            );
        }
    }

    #[test]
    fn a_bucket_follows_the_decisions_of_redis_and_goes_on_from_there() {
        let (here, elsewhere, now) = (limiter(60), limiter(60), Instant::now());
        let caller = caller("a", "b");
        loop {
            let decided = elsewhere.decide(&caller, now);
            here.follow(&caller, &decided, now);
            if !decided.allowed {
                break;
            }
        }
        assert!(
            !here.decide(&caller, now).allowed,
            "the quota is used up here too"
        );
        let second = now + Duration::from_secs(1);
        assert!(here.decide(&caller, second).allowed && !here.decide(&caller, second).allowed);
        // A decision that arrives late does not fill it up.
        let late = Decision {
            until_full: Duration::ZERO,
            ..here.decide(&caller, second)
        };
        here.follow(&caller, &late, second);
        assert!(!here.decide(&caller, second).allowed);
    }

    #[test]
    fn full_buckets_are_purged() {
        let (limiter, now) = (limiter(60), Instant::now());
        limiter.decide(&caller("a", "idle"), now);
        let later = now + Duration::from_secs(2);
        limiter.decide(&caller("a", "busy"), later);
        assert_eq!(limiter.callers().len(), 2);
        limiter.purge_full(later + Duration::from_millis(500));
        assert_eq!(limiter.callers().len(), 1);
        let decision = limiter.decide(&caller("a", "busy"), later + Duration::from_millis(500));
        assert_eq!(decision.remaining(), 58);
    }
}
