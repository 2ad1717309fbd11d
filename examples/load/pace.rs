//! When calls start: each as soon as one before it is answered (closed loop), or on a schedule (open loop).

use std::{
    num::NonZeroU64,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::sync::Semaphore;

/// How calls are started, and how many at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Loop {
    /// Calls a second. Nothing means a closed loop.
    pub(crate) rate: Option<NonZeroU64>,
    /// How many calls may be in flight.
    pub(crate) in_flight: usize,
}

/// Says for a while when the next call starts.
pub(crate) struct Pace {
    started: Instant,
    lasts: Duration,
    next: AtomicU64,
    schedule: Option<Schedule>,
}

struct Schedule {
    rate: NonZeroU64,
    calls: u64,
    /// One for each call whose time has come.
    due: Semaphore,
}

/// The start of one call.
pub(crate) struct Start {
    /// Which call of the run it is.
    pub(crate) number: u64,
    /// Since when the caller waits: in an open loop, since the call was due.
    pub(crate) at: Instant,
}

impl Pace {
    pub(crate) fn start(how: Loop, lasts: Duration) -> Arc<Self> {
        let pace = Arc::new(Self {
            started: Instant::now(),
            lasts,
            next: AtomicU64::new(0),
            schedule: how.rate.map(|rate| Schedule {
                rate,
                calls: calls_within(rate, lasts),
                due: Semaphore::new(0),
            }),
        });
        if how.rate.is_some() {
            let pace = pace.clone();
            // A thread, as the timers of Tokio go in steps of a millisecond.
            thread::spawn(move || pace.keep(how.in_flight));
        }
        pace
    }

    /// The start of the next call. Nothing when the time is over.
    pub(crate) async fn next(&self) -> Option<Start> {
        let Some(schedule) = &self.schedule else {
            let at = Instant::now();
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            return (at < self.started + self.lasts).then_some(Start { number, at });
        };
        schedule.due.acquire().await.ok()?.forget();
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let at = self.started + schedule.after(number);
        (number < schedule.calls).then_some(Start { number, at })
    }

    /// How long it has been going on.
    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    fn keep(&self, in_flight: usize) {
        let Some(schedule) = &self.schedule else { return };
        for number in 0..schedule.calls {
            thread::sleep(schedule.after(number).saturating_sub(self.started.elapsed()));
            schedule.due.add_permits(1);
        }
        // Whoever still waits is to learn that it is over.
        schedule.due.add_permits(in_flight);
    }
}

impl Schedule {
    fn after(&self, number: u64) -> Duration {
        Duration::from_nanos(number.saturating_mul(1_000_000_000) / self.rate)
    }
}

/// How many calls a rate makes in a time.
pub(crate) fn calls_within(rate: NonZeroU64, time: Duration) -> u64 {
    let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    rate.get().saturating_mul(micros) / 1_000_000
}
