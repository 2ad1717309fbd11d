//! The fence of a database: the time that every server lets pass between a change and its acknowledgement.

use std::{
    fmt,
    str::FromStr,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use thiserror::Error;

use super::freshness::Instant;

/// The time for which a server relies on the fence after a look that found it. Whoever sets the fence keeps it locked for
/// longer, so that no server with the new fence runs beside one that relies on the old one.
pub(super) const LEASE: Duration = Duration::from_secs(3);

/// The time for which a server may answer from memory after it began to look for changes, and for which a change is
/// therefore not acknowledged. 0 switches memory off on every server of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fence(Duration);

/// A text is not a fence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be a duration of 0 to 2 s in whole milliseconds, such as 100ms")]
pub struct InvalidFence;

/// The fence of the database is not the one with which the server started.
#[derive(Debug, Clone, Copy, Error)]
#[error("the cache fence was changed while the server runs: restart every server of the database")]
pub(in crate::store) struct FenceChanged;

/// The difference by which the clocks of two servers may run apart, as a divisor: 1 %, and as much again.
const DRIFT: u32 = 50;
/// The precision of a timer.
const PRECISION: Duration = Duration::from_millis(1);

/// Returns a time that is longer than another one by any clock of a server.
const fn with_margin(duration: Duration) -> Duration {
    match duration.checked_div(DRIFT) {
        Some(drift) => duration.saturating_add(drift).saturating_add(PRECISION),
        None => duration,
    }
}

/// The fence of a running server.
#[derive(Debug)]
pub(in crate::store) struct HeldFence {
    fence: Fence,
    /// The time at which the last look began that found this fence, by the clock of [`Instant`]; 0 if a look found another
    /// one. `None` if no other server uses the database.
    confirmed: Option<AtomicU64>,
}

impl HeldFence {
    /// Creates the fence of the only server of a database.
    pub(in crate::store) fn alone() -> Self {
        Self {
            fence: Fence::OFF,
            confirmed: None,
        }
    }

    /// Creates a fence that was found after a time, behind the lock.
    pub(in crate::store) fn shared(fence: Fence, confirmed: Instant) -> Self {
        Self {
            fence,
            confirmed: Some(AtomicU64::new(confirmed.0)),
        }
    }

    pub(in crate::store) fn get(&self) -> Fence {
        self.fence
    }

    /// Returns the time after which a change may be acknowledged that has ended by now.
    pub(in crate::store) fn wait(&self) -> Duration {
        self.wait_at(Instant::now())
    }

    /// Without a recent look, another fence may have been set, as the connection was lost that kept it locked.
    fn wait_at(&self, now: Instant) -> Duration {
        let is_leased = self.confirmed.as_ref().is_none_or(|confirmed| {
            let confirmed = confirmed.load(Ordering::Acquire);
            confirmed != 0 && now.since(Instant(confirmed)) < LEASE
        });
        let fence = if is_leased { self.fence } else { Fence::MAX };
        fence.wait()
    }

    /// Checks that the fence of the database is still the same.
    pub(in crate::store) fn check(&self, millis: &str) -> Result<(), FenceChanged> {
        if Fence::from_millis(millis) == Some(self.fence) {
            return Ok(());
        }
        self.confirm(Instant(0));
        Err(FenceChanged)
    }

    /// Records the time at which a look began that found the same fence.
    pub(super) fn confirm(&self, began: Instant) {
        if let Some(confirmed) = &self.confirmed {
            confirmed.store(began.0, Ordering::Release);
        }
    }
}

impl Fence {
    /// No memory on any server.
    pub const OFF: Self = Self(Duration::ZERO);
    /// The longest one.
    const MAX: Self = Self(Duration::from_secs(2));
    /// The time for which the fence stays locked before another one is set.
    pub(in crate::store) const CHANGE: Duration = with_margin(LEASE);

    /// Creates a fence.
    ///
    /// # Errors
    /// If it is longer than 2 s, or not in whole milliseconds.
    pub fn new(duration: Duration) -> Result<Self, InvalidFence> {
        let is_whole = duration.subsec_nanos().is_multiple_of(1_000_000);
        (duration <= Self::MAX.0 && is_whole)
            .then_some(Self(duration))
            .ok_or(InvalidFence)
    }

    /// Returns the time for which a look for changes counts.
    pub fn duration(self) -> Duration {
        self.0
    }

    /// Returns the time after which a change may be acknowledged: no server whose clock runs within 1 % of this one's
    /// then counts a look that it began before the change.
    pub fn wait(self) -> Duration {
        if self.0.is_zero() {
            Duration::ZERO
        } else {
            with_margin(self.0)
        }
    }

    pub(in crate::store) fn from_millis(text: &str) -> Option<Self> {
        Self::new(Duration::from_millis(text.parse().ok()?)).ok()
    }

    pub(in crate::store) fn millis(self) -> String {
        self.0.as_millis().to_string()
    }
}

impl FromStr for Fence {
    type Err = InvalidFence;

    fn from_str(text: &str) -> Result<Self, InvalidFence> {
        let duration = match text {
            "0" => Duration::ZERO,
            _ => humantime::parse_duration(text).map_err(|_| InvalidFence)?,
        };
        Self::new(duration)
    }
}

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fence_is_0_to_2_seconds() {
        for (text, millis) in [("0", 0), ("0s", 0), ("1ms", 1), ("100ms", 100), ("2s", 2_000)] {
            assert_eq!(text.parse(), Fence::new(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "-1s", "2001ms", "1us", "100", "1 h"] {
            assert_eq!(text.parse::<Fence>(), Err(InvalidFence), "{text}");
        }
    }

    #[test]
    fn a_change_waits_longer_than_a_look_counts_by_a_clock_that_runs_slower() {
        for millis in [1, 100, 2_000] {
            let fence = Fence::new(Duration::from_millis(millis)).unwrap();
            // One clock runs 1 % too fast, the other 1 % too slow.
            assert!(fence.wait().as_secs_f64() / 1.01 > fence.duration().as_secs_f64() / 0.99);
        }
        assert_eq!(Fence::OFF.wait(), Duration::ZERO);
    }

    #[test]
    fn a_server_relies_on_its_fence_for_the_lease_after_a_look_that_found_it() {
        let fence: Fence = "100ms".parse().unwrap();
        let at = |millis: u64| Instant(1 + millis * 1_000_000);
        let held = HeldFence::shared(fence, at(0));
        assert_eq!(held.wait_at(at(2_999)), fence.wait());
        assert_eq!(held.wait_at(at(3_000)), Fence::MAX.wait());
        held.confirm(at(2_999));
        assert_eq!(held.wait_at(at(5_998)), fence.wait());

        assert!(held.check("100").is_ok());
        assert_eq!(held.wait_at(at(3_000)), fence.wait());
        assert!(held.check("50").is_err());
        assert_eq!(held.wait_at(at(3_000)), Fence::MAX.wait());
        assert_eq!(HeldFence::alone().wait_at(at(1 << 30)), Duration::ZERO);
    }

    #[test]
    fn the_fence_stays_locked_for_longer_than_any_lease_or_look_lasts() {
        assert!(Fence::CHANGE.as_secs_f64() / 1.01 > LEASE.as_secs_f64() / 0.99);
        assert!(LEASE > Fence::MAX.duration());
    }
}
