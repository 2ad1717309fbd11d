//! Limits in the memory of this process.
//!
//! A crate for rate limits would do, but that none lets a bucket be filled as another one is: while Redis decides, the
//! buckets here follow, so that a replica goes on from there when Redis is away.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use super::{
    LimitKey,
    bucket::{Bucket, Decision},
};

/// The buckets of a tier.
#[derive(Debug)]
pub(super) struct ProcessLimiter {
    pub(super) bucket: Bucket,
    /// When the bucket of a caller is full again. Who is not in it has a full one.
    full_at: Mutex<HashMap<LimitKey, Instant>>,
}

impl ProcessLimiter {
    pub(super) fn new(bucket: Bucket) -> Self {
        Self {
            bucket,
            full_at: Mutex::default(),
        }
    }

    /// Takes a call from the bucket of its caller, if there is room.
    pub(super) fn decide(&self, caller: &LimitKey, now: Instant) -> Decision {
        let mut callers = self.callers();
        if let Some(full_at) = callers.get_mut(caller) {
            let decision = self.bucket.take(full_at.saturating_duration_since(now));
            *full_at = now + decision.until_full;
            return decision;
        }
        let decision = self.bucket.take(std::time::Duration::ZERO);
        callers.insert(caller.clone(), now + decision.until_full);
        decision
    }

    /// Follows what was decided elsewhere. The bucket is never fuller than there.
    pub(super) fn follow(&self, caller: &LimitKey, decided: &Decision, now: Instant) {
        let elsewhere = now + decided.until_full;
        let mut callers = self.callers();
        match callers.get_mut(caller) {
            Some(full_at) => *full_at = elsewhere.max(*full_at),
            None => drop(callers.insert(caller.clone(), elsewhere)),
        }
    }

    /// Forgets the callers whose buckets are full again.
    pub(super) fn forget_idle(&self, now: Instant) {
        let mut callers = self.callers();
        callers.retain(|_, full_at| *full_at > now);
        callers.shrink_to_fit();
    }

    fn callers(&self) -> MutexGuard<'_, HashMap<LimitKey, Instant>> {
        // Nothing can panic half-way through a change.
        self.full_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
    fn a_full_bucket_lets_the_quota_through_at_once() {
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
    fn who_waits_as_long_as_he_is_told_is_let_through_and_nobody_else() {
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
    fn no_minute_lets_more_through_than_the_quota_and_what_was_in_the_bucket() {
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
    fn a_bucket_follows_what_is_decided_elsewhere_and_goes_on_from_there() {
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
        // What comes late does not fill it up.
        let late = Decision {
            until_full: Duration::ZERO,
            ..here.decide(&caller, second)
        };
        here.follow(&caller, &late, second);
        assert!(!here.decide(&caller, second).allowed);
    }

    #[test]
    fn a_caller_whose_bucket_is_full_again_is_forgotten() {
        let (limiter, now) = (limiter(60), Instant::now());
        limiter.decide(&caller("a", "idle"), now);
        let later = now + Duration::from_secs(2);
        limiter.decide(&caller("a", "busy"), later);
        assert_eq!(limiter.callers().len(), 2);
        limiter.forget_idle(later + Duration::from_millis(500));
        assert_eq!(limiter.callers().len(), 1);
        let decision = limiter.decide(&caller("a", "busy"), later + Duration::from_millis(500));
        assert_eq!(decision.remaining(), 58);
    }
}
