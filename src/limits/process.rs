//! Limits in the memory of this process.

use std::time::Duration;

use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    middleware::StateInformationMiddleware,
    state::keyed::DefaultKeyedStateStore,
};

use super::{
    Caller,
    bucket::{Bucket, Decision},
};

/// The buckets of a tier.
#[derive(Debug)]
pub(super) struct ProcessLimiter<C: Clock = DefaultClock> {
    pub(super) bucket: Bucket,
    clock: C,
    callers: RateLimiter<Caller, DefaultKeyedStateStore<Caller>, C, StateInformationMiddleware>,
}

impl<C: Clock + Clone> ProcessLimiter<C> {
    /// Nothing when the bucket would fill up in no time.
    pub(super) fn new(bucket: Bucket, clock: C) -> Option<Self> {
        let quota = Quota::with_period(bucket.interval())?.allow_burst(bucket.quota);
        let callers = RateLimiter::new(quota, DefaultKeyedStateStore::default(), clock.clone());
        Some(Self {
            bucket,
            clock,
            callers,
        })
    }

    /// Takes a call from the bucket of its caller, if there is room.
    pub(super) fn decide(&self, caller: &Caller) -> Decision {
        let bucket = self.bucket;
        let (allowed, until_full) = match self.callers.check_key(caller) {
            Ok(state) => {
                // Whole calls: what is on its way to be the next one is not told.
                let missing = bucket
                    .quota
                    .get()
                    .saturating_sub(state.remaining_burst_capacity());
                (true, bucket.interval() * missing)
            }
            Err(not_until) => {
                // The time may have come while this was decided, but the answer is still a refusal.
                let wait = not_until
                    .wait_time_from(self.clock.now())
                    .max(Duration::from_nanos(1));
                (false, bucket.window().saturating_sub(bucket.interval()) + wait)
            }
        };
        Decision {
            bucket,
            allowed,
            until_full,
        }
    }

    /// Forgets the callers whose buckets are full again.
    pub(super) fn forget_idle(&self) {
        self.callers.retain_recent();
        self.callers.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;
    use crate::{
        domain::ids::{Subject, TenantId},
        pb::RateTier,
    };

    fn limiter(per_minute: u32) -> (ProcessLimiter<FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        let bucket = Bucket::new(RateTier::One, per_minute).unwrap();
        (ProcessLimiter::new(bucket, clock.clone()).unwrap(), clock)
    }

    fn caller(tenant: &str, subject: &str) -> Caller {
        Caller {
            tenant: TenantId::parse(tenant).unwrap(),
            subject: Subject::parse(subject).unwrap(),
        }
    }

    #[test]
    fn a_full_bucket_lets_the_quota_through_at_once() {
        let (limiter, _) = limiter(60);
        let caller = caller("a", "b");
        for remaining in (0..60).rev() {
            let decision = limiter.decide(&caller);
            let until_full = Duration::from_secs(60 - u64::from(remaining));
            assert_eq!((decision.allowed, decision.until_full), (true, until_full));
            assert_eq!(decision.remaining(), remaining);
        }
        assert!(!limiter.decide(&caller).allowed);
    }

    #[test]
    fn who_waits_as_long_as_he_is_told_is_let_through_and_nobody_else() {
        let (limiter, clock) = limiter(7);
        let caller = caller("a", "b");
        while limiter.decide(&caller).allowed {}
        for _ in 0..20 {
            let wait = limiter.decide(&caller).retry_after().unwrap();
            clock.advance(wait.checked_sub(Duration::from_nanos(1)).unwrap());
            assert_eq!(
                limiter.decide(&caller).retry_after(),
                Some(Duration::from_nanos(1))
            );
            clock.advance(Duration::from_nanos(1));
            assert!(limiter.decide(&caller).allowed);
        }
    }

    #[test]
    fn no_minute_lets_more_through_than_the_quota_and_what_was_in_the_bucket() {
        for quota in [1, 7, 59, 1_000] {
            let (limiter, clock) = limiter(quota);
            let caller = caller("a", "b");
            let mut allowed = 0;
            for _ in 0..60_000 {
                allowed += u32::from(limiter.decide(&caller).allowed);
                clock.advance(Duration::from_millis(1));
            }
            assert!(
                (2 * quota - 1..=2 * quota).contains(&allowed),
                "{allowed} of {quota}"
            );
        }
    }

    #[test]
    fn a_caller_whose_bucket_is_full_again_is_forgotten() {
        let (limiter, clock) = limiter(60);
        limiter.decide(&caller("a", "idle"));
        clock.advance(Duration::from_secs(2));
        limiter.decide(&caller("a", "busy"));
        assert_eq!(limiter.callers.len(), 2);
        clock.advance(Duration::from_millis(500));
        limiter.forget_idle();
        assert_eq!(limiter.callers.len(), 1);
        assert_eq!(limiter.decide(&caller("a", "busy")).remaining(), 58);
    }
}
