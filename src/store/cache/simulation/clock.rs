//! The clocks of a machine, which drift.

use super::{super::freshness::Instant, random::Random};

pub(super) const MILLISECOND: u64 = 1_000_000;
pub(super) const MINUTE: u64 = 60_000 * MILLISECOND;

/// The largest difference to the true rate in millionths, so that two clocks differ by 1 %.
const DRIFT: u64 = 4_975;

/// The clocks of a machine. Times without a clock are true ones, in nanoseconds.
pub(super) struct Clock {
    offset: u64,
    /// The rate in millionths of the true one.
    rate: u64,
    /// The time for which the machine was suspended.
    suspended: u64,
}

impl Clock {
    pub(super) fn new(random: &mut Random) -> Self {
        let rates = [1_000_000 - DRIFT, 1_000_000 + DRIFT, 1_000_000];
        Self {
            offset: 1 + random.below(MINUTE),
            rate: rates[random.index(rates.len())],
            suspended: 0,
        }
    }

    fn scaled(&self, time: u64) -> u64 {
        self.offset + u64::try_from(u128::from(time) * u128::from(self.rate) / 1_000_000).unwrap()
    }

    /// Returns the time of the clock that runs on while the machine is suspended.
    pub(super) fn boottime(&self, now: u64) -> Instant {
        Instant(self.scaled(now))
    }

    /// Returns the time of the clock that stops while the machine is suspended.
    pub(super) fn monotonic(&self, now: u64) -> Instant {
        Instant(self.scaled(now - self.suspended))
    }

    pub(super) fn suspend(&mut self, duration: u64) {
        self.suspended += duration;
    }

    /// Returns the true time at which a clock that is behind by so much arrives, and a little later.
    pub(super) fn after(&self, now: u64, behind: u64) -> u64 {
        now + u64::try_from(u128::from(behind) * 1_000_000 / u128::from(self.rate)).unwrap() + 1
    }
}
