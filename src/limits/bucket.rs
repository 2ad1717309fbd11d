//! The arithmetic of a token bucket, in whole microseconds, which are exact in Redis too.

use std::{num::NonZeroU32, time::Duration};

use crate::pb::RateTier;

/// The largest quota a minute that whole microseconds can hold apart from larger ones.
pub const MAX_PER_MINUTE: u32 = 60_000_000;

const MINUTE_MICROS: u64 = 60_000_000;

/// The size of the bucket that each caller has in a tier. A full one holds the requests of a minute; it fills up evenly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bucket {
    pub(super) tier: RateTier,
    pub(super) quota: NonZeroU32,
}

/// The decision about a request, and the state of the bucket afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(super) bucket: Bucket,
    pub(super) allowed: bool,
    /// The time until the bucket is full, if nothing more is taken from it.
    pub(super) until_full: Duration,
}

impl Bucket {
    /// Returns `None` if the quota is 0, which means any number.
    pub(super) fn new(tier: RateTier, per_minute: u32) -> Option<Self> {
        NonZeroU32::new(per_minute).map(|quota| Self { tier, quota })
    }

    /// The time in which room for one more request comes up. Rounded up, so that the rate is never above the quota.
    pub(super) fn interval(self) -> Duration {
        Duration::from_micros(MINUTE_MICROS.div_ceil(self.quota.get().into()))
    }

    /// The time in which an empty bucket fills up: a minute, but for the rounding.
    pub(super) fn window(self) -> Duration {
        self.interval() * self.quota.get()
    }

    /// Takes a request from a bucket that will be full in `until_full`, if there is room. This is the generic cell rate
    /// algorithm, as in `token_bucket.lua`.
    pub(super) fn take(self, until_full: Duration) -> Decision {
        let (missing, more) = (until_full.min(self.window()), self.interval());
        let allowed = missing + more <= self.window();
        Decision {
            bucket: self,
            allowed,
            until_full: if allowed { missing + more } else { missing },
        }
    }
}

impl Decision {
    pub(crate) fn tier(&self) -> RateTier {
        self.bucket.tier
    }

    pub(crate) fn quota(&self) -> NonZeroU32 {
        self.bucket.quota
    }

    /// The time until the bucket is full, if nothing more is taken from it.
    pub(crate) fn until_full(&self) -> Duration {
        self.until_full
    }

    /// The number of requests that there is room for at once.
    pub(crate) fn remaining(&self) -> u32 {
        let room = self.bucket.window().saturating_sub(self.until_full);
        let requests = room.as_micros() / self.bucket.interval().as_micros();
        u32::try_from(requests).unwrap_or(u32::MAX)
    }

    /// The time until there is room again, or `None` if the request is within the quota.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        let room_for_one = self.bucket.window().saturating_sub(self.bucket.interval());
        (!self.allowed).then(|| self.until_full.saturating_sub(room_for_one))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(per_minute: u32) -> Bucket {
        Bucket::new(RateTier::One, per_minute).unwrap()
    }

    #[test]
    fn a_quota_of_zero_is_no_bucket() {
        assert_eq!(Bucket::new(RateTier::One, 0), None);
    }

    #[test]
    fn the_rate_is_the_quota_and_never_above_it() {
        for (quota, micros) in [
            (1, 60_000_000),
            (7, 8_571_429),
            (100, 600_000),
            (1_000, 60_000),
            (MAX_PER_MINUTE, 1),
            (u32::MAX, 1),
        ] {
            assert_eq!(bucket(quota).interval(), Duration::from_micros(micros), "{quota}");
            let requests_a_minute = MINUTE_MICROS / micros;
            assert!(requests_a_minute <= quota.into(), "{quota}");
        }
    }

    #[test]
    fn the_remaining_requests_and_the_wait_follow_from_how_full_the_bucket_is() {
        // Of 60 a minute, by the milliseconds until the bucket is full.
        for (allowed, missing, remaining, wait) in [
            (true, 1_000, 59, None),
            (true, 1_001, 58, None),
            (true, 59_000, 1, None),
            (true, 60_000, 0, None),
            (false, 60_000, 0, Some(1_000)),
            (false, 59_001, 0, Some(1)),
        ] {
            let decision = Decision {
                bucket: bucket(60),
                allowed,
                until_full: Duration::from_millis(missing),
            };
            let outcome = (decision.remaining(), decision.retry_after());
            assert_eq!(outcome, (remaining, wait.map(Duration::from_millis)), "{missing}");
        }
    }
}
