//! Ends HTTP/2 streams whose peers take nothing of their responses.
//!
//! A peer may keep its connection alive, and give a stream no window to send in. The socket is writable then, so only the
//! task of the stream can tell. Such tasks are run by the executor here, and the bodies of responses tell when they hand
//! out data.

use std::{
    cell::Cell,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use hyper::rt::Executor;
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};

/// The data that the body of a response has handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct HandedOut {
    times: u64,
    /// The last data is not sent yet: the body was not asked for more.
    pending: bool,
}

tokio::task_local! {
    static HANDED_OUT: Cell<HandedOut>;
}

/// Notes that the body of the current task hands out data, or, if not, that the data before is sent.
pub(super) fn hand_out(data: bool) {
    // There is no such task on HTTP/1.1.
    let _http1 = HANDED_OUT.try_with(|handed_out| {
        let HandedOut { times, .. } = handed_out.get();
        handed_out.set(HandedOut {
            times: times.wrapping_add(u64::from(data)),
            pending: data,
        });
    });
}

/// Runs the tasks of HTTP/2 streams, and ends those that cannot send for so long.
#[derive(Debug, Clone, Copy)]
pub(super) struct StreamExecutor(pub(super) Duration);

impl<F> Executor<F> for StreamExecutor
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let timed = Timed {
            stream,
            limit: self.0,
            waits_for: HandedOut::default(),
            late: None,
        };
        tokio::spawn(HANDED_OUT.scope(Cell::default(), timed));
    }
}

pin_project! {
    /// The task of a stream. There is no timer for data that is sent at once.
    struct Timed<F> {
        #[pin]
        stream: F,
        limit: Duration,
        waits_for: HandedOut,
        late: Option<Pin<Box<Sleep>>>,
    }
}

impl<F: Future<Output = ()>> Future for Timed<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        if this.stream.poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let handed_out = HANDED_OUT.with(Cell::get);
        if !handed_out.pending {
            *this.late = None;
            return Poll::Pending;
        }
        if *this.waits_for != handed_out {
            *this.waits_for = handed_out;
            *this.late = None;
        }
        let late = this.late.get_or_insert_with(|| Box::pin(sleep(*this.limit)));
        if late.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        // Dropping the stream resets it.
        tracing::debug!("stream ended, as its peer takes nothing");
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use tokio::{sync::oneshot, time::Instant};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    /// Runs a stream, and returns after how many seconds it has ended.
    async fn seconds(stream: impl Future<Output = ()> + Send + 'static) -> u64 {
        let (alive, ended) = oneshot::channel::<()>();
        let started = Instant::now();
        StreamExecutor(LIMIT).execute(async move {
            let _alive = alive;
            stream.await;
        });
        ended.await.unwrap_err();
        started.elapsed().as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_whose_data_is_not_sent_ends() {
        let stalled = async {
            for _ in 0..3 {
                hand_out(true);
                sleep(Duration::from_secs(6)).await;
            }
            std::future::pending::<()>().await;
        };
        assert_eq!(seconds(stalled).await, 2 * 6 + 10);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_has_nothing_to_send_may_wait() {
        let quiet = async {
            hand_out(true);
            hand_out(false);
            sleep(Duration::from_hours(1)).await;
        };
        assert_eq!(seconds(quiet).await, 3_600);
    }
}
