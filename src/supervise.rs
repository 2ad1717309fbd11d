//! Supervision of the work beside requests: what panics is logged, counted, and started again after a pause.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use futures_util::{FutureExt as _, future::BoxFuture};
use tokio::time::Instant;

/// The pause after the first panic. It doubles with each further one.
const MIN_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause. After a task ran for as long, its pauses begin anew.
const MAX_PAUSE: Duration = Duration::from_mins(1);

/// Work that runs for as long as the server does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Task {
    /// Probes the database, and reports the readiness.
    Readiness,
    /// Keeps the clients in memory coherent with the database.
    MemoryWatch,
    /// Reads changes for the streams that watch them.
    Feed,
    /// Purges old rows.
    Purge,
    /// Purges full buckets of the rate limits.
    LimiterPurge,
    /// Connects to Redis.
    RedisConnection,
    /// Refreshes the keys of the issuer.
    IssuerKeys,
    /// Reloads the TLS files.
    TlsReload,
    /// Responds to scrapes of the metrics.
    Metrics,
    /// Writes the lines of the log.
    Log,
}

/// The numbers of restarts, in the order of [`Task::ALL`].
static RESTARTS: [AtomicU64; Task::ALL.len()] = [const { AtomicU64::new(0) }; Task::ALL.len()];

impl Task {
    /// Every task, in the order of their declaration.
    pub(crate) const ALL: [Self; 10] = [
        Self::Readiness,
        Self::MemoryWatch,
        Self::Feed,
        Self::Purge,
        Self::LimiterPurge,
        Self::RedisConnection,
        Self::IssuerKeys,
        Self::TlsReload,
        Self::Metrics,
        Self::Log,
    ];

    /// Returns the name for the log and the metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Readiness => "readiness",
            Self::MemoryWatch => "memory_watch",
            Self::Feed => "feed",
            Self::Purge => "purge",
            Self::LimiterPurge => "limiter_purge",
            Self::RedisConnection => "redis_connection",
            Self::IssuerKeys => "issuer_keys",
            Self::TlsReload => "tls_reload",
            Self::Metrics => "metrics",
            Self::Log => "log",
        }
    }

    /// Returns the number of times that the task was restarted.
    pub(crate) fn restarts(self) -> u64 {
        RESTARTS
            .get(self as usize)
            .map_or(0, |count| count.load(Ordering::Relaxed))
    }
}

/// Runs a task, and again whenever it panics, until it returns. It has to cope with the state that a panic left.
pub(crate) async fn supervised<S: Send>(
    task: Task,
    mut state: S,
    run: impl Fn(&mut S) -> BoxFuture<'_, ()> + Send,
) {
    let mut restarts = Restarts::of(task);
    while AssertUnwindSafe(run(&mut state)).catch_unwind().await.is_err() {
        tokio::time::sleep(restarts.next_pause()).await;
    }
}

/// Does pieces of work on a thread, which it outlives.
#[derive(Debug)]
pub(crate) struct SupervisedThread(Restarts);

impl SupervisedThread {
    pub(crate) fn of(task: Task) -> Self {
        Self(Restarts::of(task))
    }

    /// Does a piece of work. If it panics, waits for a pause, and returns `None`.
    pub(crate) fn run<T>(&mut self, work: impl FnOnce() -> T) -> Option<T> {
        let done = catch_unwind(AssertUnwindSafe(work)).ok();
        if done.is_none() {
            std::thread::sleep(self.0.next_pause());
        }
        done
    }
}

/// The restarts of a task.
#[derive(Debug)]
struct Restarts {
    task: Task,
    pause: Duration,
    /// The end of the last pause.
    started: Instant,
}

#[expect(clippy::disallowed_methods, reason = "it measures how long a task runs")]
impl Restarts {
    fn of(task: Task) -> Self {
        Self {
            task,
            pause: Duration::ZERO,
            started: Instant::now(),
        }
    }

    /// Counts and logs a panic, and returns the pause before the task starts again.
    fn next_pause(&mut self) -> Duration {
        let lasted = self.started.elapsed() >= MAX_PAUSE;
        self.pause = if lasted {
            MIN_PAUSE
        } else {
            (self.pause * 2).clamp(MIN_PAUSE, MAX_PAUSE)
        };
        self.started = Instant::now() + self.pause;
        if let Some(count) = RESTARTS.get(self.task as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let (task, pause_seconds) = (self.task.as_str(), self.pause.as_secs());
        tracing::error!(task, pause_seconds, "background task panicked, restarting");
        self.pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the seconds at which a task starts that panics `panics` times, and once runs long.
    async fn starts(panics: usize, long_run: Option<usize>) -> Vec<u64> {
        let begin = Instant::now();
        let (sender, mut starts) = tokio::sync::mpsc::unbounded_channel();
        supervised(Task::RedisConnection, 0, |count| {
            let sender = sender.clone();
            let run = async move {
                *count += 1;
                sender.send(begin.elapsed().as_secs()).unwrap();
                if Some(*count) == long_run {
                    tokio::time::sleep(MAX_PAUSE).await;
                }
                assert!(*count > panics, "a panic");
            };
            run.boxed()
        })
        .await;
        let mut seconds = Vec::new();
        while let Ok(second) = starts.try_recv() {
            seconds.push(second);
        }
        seconds
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_panics_is_restarted_after_pauses_that_grow_to_a_minute() {
        let before = Task::RedisConnection.restarts();
        let starts = starts(9, None).await;
        assert_eq!(starts, [0, 1, 3, 7, 15, 31, 63, 123, 183, 243]);
        assert!(Task::RedisConnection.restarts() >= before + 9);
    }

    #[tokio::test(start_paused = true)]
    async fn the_pauses_begin_anew_after_a_long_run() {
        assert_eq!(starts(5, Some(4)).await, [0, 1, 3, 7, 68, 70]);
    }

    #[test]
    fn a_thread_outlives_a_panic() {
        let before = Task::Log.restarts();
        let mut thread = SupervisedThread::of(Task::Log);
        assert_eq!(thread.run(|| 1), Some(1));
        assert_eq!(thread.run(|| -> u8 { panic!("once") }), None);
        assert_eq!(thread.run(|| 2), Some(2));
        assert!(Task::Log.restarts() > before);
    }

    #[test]
    fn every_task_has_a_count_of_its_own() {
        for (index, task) in Task::ALL.into_iter().enumerate() {
            assert_eq!(task as usize, index);
        }
    }
}
