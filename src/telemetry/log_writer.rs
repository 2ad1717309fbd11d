//! Standard error behind a bounded queue and a thread of its own. A reader that falls behind, or a pipe that is
//! not read, costs log lines but never holds up a request or the end of the process.

use std::{
    io::{self, Write},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};

use crate::{
    io::bounded,
    supervise::{SupervisedThread, Task},
};

/// The capacity of the queue in lines.
///
/// The line of a request has some 400 bytes, so a full queue takes 4 MiB. The fields that callers choose are limited (a
/// path to 300 bytes, a tenant or a subject to 255 characters) and keep each line under 8 KiB, so callers cannot make
/// the queue take more than 64 MiB at the level `info`.
const MAX_LINES: usize = 8_192;

/// The minimum time between two warnings about lost lines.
const WARNING_INTERVAL: Duration = Duration::from_secs(5);

/// The maximum time that the end of the process waits for the log.
///
/// If standard error is blocked, dropping a [`WorkerGuard`] takes 1 s. If the queue is full too, it takes 100 ms and
/// then prints a line on standard output, which may be just as blocked.
const FLUSH_LIMIT: Duration = Duration::from_secs(2);

/// Returns the log's writer, which never blocks, and the guard to keep for as long as the process logs.
pub(super) fn log_writer() -> (NonBlocking, LogGuard) {
    let lost = Arc::new(LostLines::default());
    let stderr = Stderr {
        lost: Arc::clone(&lost),
        reported_at: None,
    };
    let (writer, worker) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(MAX_LINES)
        .thread_name("log")
        .finish(Supervised::new(stderr, &lost));
    lost.not_queued.get_or_init(|| writer.error_counter());
    let worker = Some(worker);
    (writer, LogGuard { worker, lost })
}

/// Waits for the queued lines to be written, for a bounded time, when it is dropped.
#[derive(Debug)]
pub(super) struct LogGuard {
    worker: Option<WorkerGuard>,
    pub(super) lost: Arc<LostLines>,
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        self.lost.report();
        let worker = self.worker.take();
        bounded::within(FLUSH_LIMIT, move || drop(worker));
    }
}

/// The log lines that were lost since the process started.
#[derive(Debug, Default)]
pub(super) struct LostLines {
    /// Counts lines that found the queue full. It is set once the queue exists.
    not_queued: OnceLock<ErrorCounter>,
    /// Counts lines that standard error refused, such as a pipe whose reader is gone or a file on a full disk.
    not_written: AtomicU64,
    /// The count that was logged last.
    reported: AtomicU64,
}

impl LostLines {
    pub(super) fn count(&self) -> u64 {
        let not_queued = self.not_queued.get().map_or(0, ErrorCounter::dropped_lines);
        let not_queued = u64::try_from(not_queued).unwrap_or(u64::MAX);
        not_queued.saturating_add(self.not_written.load(Ordering::Relaxed))
    }

    fn has_unreported(&self) -> bool {
        self.count() != self.reported.load(Ordering::Relaxed)
    }

    /// Logs the total count unless it was already logged. As it is the total, the next warning makes up for one that is
    /// lost itself.
    fn report(&self) {
        let count = self.count();
        if self.reported.swap(count, Ordering::Relaxed) != count {
            tracing::warn!(count, "log lines lost");
        }
    }
}

/// Standard error on the thread of the queue. Each `write_all` is one line.
struct Stderr {
    lost: Arc<LostLines>,
    reported_at: Option<Instant>,
}

/// A writer whose panics cost the line that is being written, and not the thread of the queue.
struct Supervised<W> {
    writer: W,
    thread: SupervisedThread,
    lost: Arc<LostLines>,
}

impl<W> Supervised<W> {
    fn new(writer: W, lost: &Arc<LostLines>) -> Self {
        Self {
            writer,
            thread: SupervisedThread::of(Task::Log),
            lost: Arc::clone(lost),
        }
    }
}

impl<W: Write> Write for Supervised<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    fn write_all(&mut self, line: &[u8]) -> io::Result<()> {
        let written = self.thread.run(|| self.writer.write_all(line));
        let written = written.unwrap_or_else(|| Err(io::Error::other("the writer panicked")));
        if written.is_err() {
            self.lost.not_written.fetch_add(1, Ordering::Relaxed);
        }
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

impl Stderr {
    #[expect(clippy::disallowed_methods, reason = "the writer limits how often it warns")]
    fn report(&mut self) {
        let due = self.reported_at.is_none_or(|at| at.elapsed() >= WARNING_INTERVAL);
        if due && self.lost.has_unreported() {
            self.reported_at = Some(Instant::now());
            self.lost.report();
        }
    }
}

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::stderr().write(bytes)
    }

    fn write_all(&mut self, line: &[u8]) -> io::Result<()> {
        // The line has just left the queue, so there is room for a warning in its place.
        self.report();
        io::stderr().write_all(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Panics at each line that says so, and sends the others.
    struct Panics(mpsc::Sender<Vec<u8>>);

    impl Write for Panics {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            assert_ne!(line, b"panic");
            self.0.send(line.to_vec()).map_err(io::Error::other)?;
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_panic_costs_one_line_and_the_log_goes_on() {
        let (sender, lines) = mpsc::channel();
        let lost = Arc::default();
        let writer = Supervised::new(Panics(sender), &lost);
        let (mut queue, _worker) = NonBlockingBuilder::default().finish(writer);
        for line in [&b"1"[..], b"panic", b"2"] {
            queue.write_all(line).unwrap();
        }
        let line = || lines.recv_timeout(Duration::from_secs(30)).unwrap();
        assert_eq!((line(), line()), (b"1".to_vec(), b"2".to_vec()));
        assert_eq!(lost.not_written.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn two_warnings_are_never_close_together() {
        let mut stderr = Stderr {
            lost: Arc::default(),
            reported_at: None,
        };
        let lose_one = |stderr: &mut Stderr| {
            stderr.lost.not_written.fetch_add(1, Ordering::Relaxed);
            stderr.report();
            stderr.lost.reported.load(Ordering::Relaxed)
        };
        assert_eq!(lose_one(&mut stderr), 1);
        assert_eq!(lose_one(&mut stderr), 1);
        stderr.reported_at = Instant::now().checked_sub(WARNING_INTERVAL);
        assert_eq!(lose_one(&mut stderr), 3);
    }
}
