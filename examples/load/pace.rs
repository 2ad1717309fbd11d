//! The starts of requests: each after an earlier response (closed loop), or on a schedule (open loop).

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

/// A closed or open loop of requests.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Loop {
    /// The number of requests per second; `None` in a closed loop.
    pub(crate) rate: Option<NonZeroU64>,
    /// The maximum number of requests in flight.
    pub(crate) in_flight: usize,
}

/// The pace of a run.
pub(crate) struct Pace {
    started: Instant,
    lasts: Duration,
    next: AtomicU64,
    schedule: Option<Schedule>,
}

struct Schedule {
    rate: NonZeroU64,
    calls: u64,
    /// One permit for each request that is due.
    due: Semaphore,
}

/// The start of a request.
pub(crate) struct Start {
    /// The number of the request in the run.
    pub(crate) number: u64,
    /// The time from which the caller waits: in an open loop, when the request was due.
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
            // A thread, as the resolution of Tokio's timers is a millisecond.
            thread::spawn(move || pace.keep(how.in_flight));
        }
        pace
    }

    /// Returns the start of the next request; `None` after the end of the run.
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

    /// Returns the time since the start of the run.
    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    fn keep(&self, in_flight: usize) {
        let Some(schedule) = &self.schedule else { return };
        for number in 0..schedule.calls {
            thread::sleep(schedule.after(number).saturating_sub(self.started.elapsed()));
            schedule.due.add_permits(1);
        }
        // Wake the callers that still wait, so that they end.
        schedule.due.add_permits(in_flight);
    }
}

impl Schedule {
    fn after(&self, number: u64) -> Duration {
        Duration::from_nanos(number.saturating_mul(1_000_000_000) / self.rate)
    }
}

/// Returns the number of requests at a rate within a time.
pub(crate) fn calls_within(rate: NonZeroU64, time: Duration) -> u64 {
    let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    rate.get().saturating_mul(micros) / 1_000_000
}
