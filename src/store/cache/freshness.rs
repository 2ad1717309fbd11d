//! The age of the last look for the changes of all servers.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use rustix::time::{ClockId, clock_gettime};
use tokio::sync::Notify;

/// The longest that a read waits for a look before it asks the database itself.
const PATIENCE: Duration = Duration::from_millis(500);

/// The time of the last finished look for changes, and the reads that wait for the next one.
#[derive(Debug)]
pub(super) struct Freshness {
    fence: Duration,
    /// The time at which the last finished look began; 0 before the first.
    looked: AtomicU64,
    /// Is `true` if a read used the last look.
    used: AtomicBool,
    /// Is `true` if the last look failed, so that the next one may take long.
    fails: AtomicBool,
    pub(super) wanted: Notify,
    finished: Notify,
}

/// A point in time by a clock that also runs while the machine is suspended, in nanoseconds since it was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::store) struct Instant(pub(super) u64);

impl Instant {
    pub(in crate::store) fn now() -> Self {
        let now = clock_gettime(ClockId::Boottime);
        let (seconds, nanos) = (u64::try_from(now.tv_sec), u64::try_from(now.tv_nsec));
        Self(seconds.unwrap_or_default() * 1_000_000_000 + nanos.unwrap_or_default())
    }

    pub(super) fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Freshness {
    pub(super) fn new(fence: Duration) -> Self {
        Self {
            fence,
            looked: AtomicU64::new(0),
            used: AtomicBool::new(false),
            fails: AtomicBool::new(false),
            wanted: Notify::new(),
            finished: Notify::new(),
        }
    }

    /// Returns `true` if the last finished look began less than the fence ago.
    pub(super) fn is_fresh(&self) -> bool {
        self.counts(Instant::now())
    }

    fn counts(&self, now: Instant) -> bool {
        let counts = self.counts_at(now);
        if counts && !self.used.load(Ordering::Relaxed) {
            self.used.store(true, Ordering::Relaxed);
        }
        counts
    }

    /// Returns `true` if the last finished look counts at a time.
    pub(super) fn counts_at(&self, now: Instant) -> bool {
        match self.looked.load(Ordering::Acquire) {
            0 => false,
            looked => now.since(Instant(looked)) < self.fence,
        }
    }

    /// Returns the time since the last finished look began; `None` before the first.
    pub(super) fn age(&self) -> Option<Duration> {
        match self.looked.load(Ordering::Acquire) {
            0 => None,
            looked => Some(Instant::now().since(Instant(looked))),
        }
    }

    /// Waits for a look that counts, at best the one that is under way, or else one that begins from now on. Returns
    /// `false` if that fails, or takes long.
    pub(super) async fn refreshed(&self) -> bool {
        if self.fails.load(Ordering::Relaxed) {
            return false;
        }
        let arrived = Instant::now();
        let looks = async {
            // The look that is under way may have begun too early to count.
            for _ in 0..2 {
                if self.fails.load(Ordering::Relaxed) {
                    return false;
                }
                let finished = self.finished.notified();
                tokio::pin!(finished);
                finished.as_mut().enable();
                if self.counts(Instant::now()) || self.began_after(arrived) {
                    return true;
                }
                self.wanted.notify_one();
                finished.await;
            }
            self.counts(Instant::now()) || self.began_after(arrived)
        };
        tokio::time::timeout(PATIENCE, looks).await.unwrap_or(false)
    }

    /// Returns `true` if the last finished look began after a read arrived, so that it counts for that read, however long
    /// it took.
    pub(super) fn began_after(&self, arrived: Instant) -> bool {
        self.looked.load(Ordering::Acquire) > arrived.0
    }

    /// Publishes a look that began at a time. The clients that it found changed have been dropped.
    pub(super) fn publish(&self, began: Instant) {
        self.looked.store(began.0, Ordering::Release);
        self.fails.store(false, Ordering::Relaxed);
        self.finished.notify_waiters();
    }

    /// Lets the reads go on that wait for a look that failed.
    pub(super) fn fail(&self) {
        self.fails.store(true, Ordering::Relaxed);
        self.finished.notify_waiters();
    }

    /// Returns `true` if a read used a look since this was asked last.
    pub(super) fn was_used(&self) -> bool {
        self.used.swap(false, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FENCE: Duration = Duration::from_millis(100);

    #[test]
    fn a_look_counts_for_the_fence_from_its_begin() {
        let freshness = Freshness::new(FENCE);
        assert!(!freshness.counts_at(Instant(1)));
        freshness.publish(Instant(1_000));
        let end = 1_000 + 100_000_000;
        assert!(freshness.counts_at(Instant(end - 1)));
        assert!(!freshness.counts_at(Instant(end)));
    }

    #[tokio::test]
    async fn a_read_waits_for_a_look_that_begins_after_it_arrived() {
        let freshness = Freshness::new(FENCE);
        let early = Instant::now();
        let looks = async {
            freshness.wanted.notified().await;
            // It began so early that it no longer counts.
            freshness.publish(Instant(early.0.saturating_sub(1_000_000_000)));
            freshness.wanted.notified().await;
            freshness.publish(Instant::now());
        };
        let (fresh, ()) = tokio::join!(freshness.refreshed(), looks);
        assert!(fresh);
    }

    #[tokio::test]
    async fn a_read_waits_no_longer_if_looking_fails() {
        let freshness = Freshness::new(FENCE);
        let looks = async {
            freshness.wanted.notified().await;
            freshness.fail();
        };
        let (fresh, ()) = tokio::join!(freshness.refreshed(), looks);
        assert!(!fresh);
    }
}
