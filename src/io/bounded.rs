//! Blocking work with a time limit.

use std::{sync::mpsc, thread, time::Duration};

/// The maximum time that the process waits for its output to be read.
pub(crate) const OUTPUT_LIMIT: Duration = Duration::from_secs(1);

/// Runs blocking work on a thread of its own and waits for its result, for `limit` at most.
///
/// Returns `None` if the work takes longer, panics, or gets no thread. Work that takes longer goes on, and does not
/// keep the process from ending.
pub(crate) fn within<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (done, result) = mpsc::sync_channel(1);
    let spawned = thread::Builder::new().spawn(move || done.send(work()));
    drop(spawned);
    result.recv_timeout(limit).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_waited_for_until_the_limit() {
        assert_eq!(within(Duration::from_secs(10), || 1), Some(1));
        let (_sender, receiver) = mpsc::channel::<()>();
        assert_eq!(within(Duration::from_millis(10), move || receiver.recv()), None);
    }
}
