//! The arithmetic of a token bucket, in whole microseconds, which Redis counts exactly too.

use std::{num::NonZeroU32, time::Duration};

use crate::pb::RateTier;

/// The largest quota a minute that microseconds can tell apart from a larger one.
pub const MAX_PER_MINUTE: u32 = 60_000_000;

const MINUTE_MICROS: u64 = 60_000_000;

/// The bucket that each caller has in a tier. It holds the calls of a minute, and fills up evenly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bucket {
    pub(super) tier: RateTier,
    pub(super) quota: NonZeroU32,
}

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decision {
    pub(super) bucket: Bucket,
    pub(super) allowed: bool,
    /// How long it takes until the bucket is full, if nothing more is taken from it.
    pub(super) until_full: Duration,
}

impl Bucket {
    /// Nothing when any number of calls is allowed.
    pub(super) fn new(tier: RateTier, per_minute: u32) -> Option<Self> {
        NonZeroU32::new(per_minute).map(|quota| Self { tier, quota })
    }

    /// How long it takes until there is room for one call more. Rounded up, so that the rate is never above the quota.
    pub(super) fn interval(self) -> Duration {
        Duration::from_micros(MINUTE_MICROS.div_ceil(self.quota.get().into()))
    }

    /// How long it takes to fill the empty bucket: a minute, but for the rounding.
    pub(super) fn window(self) -> Duration {
        self.interval() * self.quota.get()
    }

    /// Takes a call from a bucket that is full in so long, if there is room: the generic cell rate algorithm, as
    /// `token_bucket.lua` has it too.
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
    /// How many more calls there is room for at once.
    pub(super) fn remaining(&self) -> u32 {
        let room = self.bucket.window().saturating_sub(self.until_full);
        let calls = room.as_micros() / self.bucket.interval().as_micros();
        u32::try_from(calls).unwrap_or(u32::MAX)
    }

    /// How long to wait for the next call that is let through, after one that was not.
    pub(super) fn retry_after(&self) -> Option<Duration> {
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
            let calls_a_minute = MINUTE_MICROS / micros;
            assert!(calls_a_minute <= quota.into(), "{quota}");
        }
    }

    #[test]
    fn what_remains_and_how_long_to_wait_follow_from_how_full_the_bucket_is() {
        // Of 60 a minute, by how many milliseconds are missing until it is full.
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
            let said = (decision.remaining(), decision.retry_after());
            assert_eq!(said, (remaining, wait.map(Duration::from_millis)), "{missing}");
        }
    }
}
