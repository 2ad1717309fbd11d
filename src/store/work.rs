//! Work on the database, which runs in a task of its own: a request that is given up does not cut it off, which would cost a
//! connection. The request itself waits for the turn of its work, so one that is given up before leaves the line.

use std::{future::Future, pin::pin, time::Duration};

use tokio::sync::oneshot;
use tracing::Instrument as _;

use super::{error::StoreError, interrupt::Interrupt, pool::Pool};

/// The longest that a request waits for the database.
pub(super) const TIMEOUT: Duration = Duration::from_secs(4);
/// How much longer work goes on for which no request waits any more.
const ABANDONED: Duration = Duration::from_secs(3);
/// The longest that the database may take to end a statement that is interrupted.
const INTERRUPT_TIMEOUT: Duration = Duration::from_millis(500);

/// Knows whether a request still waits for the outcome of its work.
#[derive(Debug)]
pub(super) struct Waiting(oneshot::Sender<()>);

impl Waiting {
    /// Checks before a commit that the request still waits: a caller that was told that its deadline has passed should not
    /// find the change made.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        if self.0.is_closed() {
            Err(StoreError::timed_out())
        } else {
            Ok(())
        }
    }

    /// Completes when the request is given up.
    async fn given_up(&mut self) {
        self.0.closed().await;
    }
}

/// Runs work, and waits for it for 4 seconds. Once begun, it is not cut off.
pub(super) async fn detached<T, E, F>(work: impl FnOnce(Waiting) -> F) -> Result<T, E>
where
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
    F: Future<Output = Result<T, E>> + Send + 'static,
{
    detached_within(TIMEOUT, work).await
}

/// Runs queries that may take long, on the connection that has this interrupt. They are interrupted when the request is given
/// up, and after 4 seconds.
pub(super) async fn interruptible<T>(
    mut waiting: Waiting,
    interrupt: Interrupt,
    control: Pool,
    queries: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let mut queries = pin!(queries);
    tokio::select! {
        outcome = &mut queries => return outcome,
        () = waiting.given_up() => {}
        () = tokio::time::sleep(TIMEOUT) => {}
    }
    // Until the interrupt has arrived, the session must not become that of somebody else.
    let both = async { tokio::join!(interrupt.send(&control), queries) };
    match tokio::time::timeout(INTERRUPT_TIMEOUT, both).await {
        Ok((sent, outcome)) => {
            if let Err(error) = sent {
                tracing::debug!(%error, "statement not interrupted");
            }
            outcome
        }
        Err(_) => Err(StoreError::timed_out()),
    }
}

/// Runs work that [can be interrupted](interruptible).
pub(super) async fn detached_interruptible<T, F>(work: impl FnOnce(Waiting) -> F) -> Result<T, StoreError>
where
    T: Send + 'static,
    F: Future<Output = Result<T, StoreError>> + Send + 'static,
{
    detached_within(TIMEOUT + INTERRUPT_TIMEOUT, work).await
}

async fn detached_within<T, E, F>(limit: Duration, work: impl FnOnce(Waiting) -> F) -> Result<T, E>
where
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
    F: Future<Output = Result<T, E>> + Send + 'static,
{
    let (waiting, _here) = oneshot::channel();
    let work = work(Waiting(waiting));
    // Work that hangs on a lost database has to end at some time too.
    let task = tokio::spawn(tokio::time::timeout(limit + ABANDONED, work).in_current_span());
    match tokio::time::timeout(limit, task).await {
        Ok(Ok(Ok(outcome))) => outcome,
        Ok(Err(error)) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        _ => Err(StoreError::timed_out().into()),
    }
}
