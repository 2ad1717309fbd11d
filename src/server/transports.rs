//! Serving and stopping of the transports.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::{sync::watch, task::JoinSet};

use super::ServerError;

/// The tasks that serve the transports. They end when this is dropped.
#[derive(Debug)]
pub(super) struct Transports {
    tasks: JoinSet<Result<(), ServerError>>,
    stop: watch::Sender<bool>,
    draining: Arc<AtomicBool>,
}

/// A signal that tells a transport to stop.
#[derive(Debug, Clone)]
pub(super) struct StopSignal {
    stop: watch::Receiver<bool>,
    draining: Arc<AtomicBool>,
}

impl Transports {
    pub(super) fn new() -> Self {
        Self {
            tasks: JoinSet::new(),
            stop: watch::Sender::new(false),
            draining: Arc::default(),
        }
    }

    /// Serves a transport until its signal completes and its requests in flight are done.
    pub(super) fn spawn<F>(&mut self, serve: impl FnOnce(StopSignal) -> F)
    where
        F: Future<Output = Result<(), ServerError>> + Send + 'static,
    {
        self.tasks.spawn(serve(StopSignal {
            stop: self.stop.subscribe(),
            draining: Arc::clone(&self.draining),
        }));
    }

    /// Waits for the first transport that ends, which happens before it is stopped only if it fails.
    pub(super) async fn first_ended(&mut self) -> Result<(), ServerError> {
        match self.tasks.join_next().await {
            Some(ended) => ended?,
            None => std::future::pending().await,
        }
    }

    /// Tells the transports to ask their peers to leave: responses on HTTP/1.1 are the last of their connections.
    pub(super) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Tells the transports to stop: they accept no new work.
    pub(super) fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Waits until all transports have ended.
    pub(super) async fn all_ended(mut self) -> Result<(), ServerError> {
        while let Some(ended) = self.tasks.join_next().await {
            ended??;
        }
        Ok(())
    }
}

impl StopSignal {
    /// Returns the flag that is set from the time at which the server begins to drain.
    pub(super) fn draining(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.draining)
    }

    pub(super) async fn stopped(mut self) {
        // An error means that the server is gone, which is a reason to stop too.
        let _gone = self.stop.wait_for(|stop| *stop).await;
    }
}
