//! Drains a running server.

use std::time::Duration;

use super::{
    ServerError, background::Background, database::Database, readiness::Readiness, transports::Transports,
};

/// A server that serves requests.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) drain_delay: Duration,
    pub(super) drain_timeout: Duration,
    pub(super) readiness: Readiness,
    pub(super) transports: Transports,
    pub(super) background: Background,
    pub(super) database: Database,
}

impl Running {
    /// Stops serving: reports that the server is not ready and asks peers to leave, waits until load balancers have noticed,
    /// refuses new work, and waits for the requests in flight.
    pub(super) async fn drain(mut self) -> Result<(), ServerError> {
        tracing::info!("draining");
        self.transports.drain();
        self.background.stop_probing().await;
        self.readiness.set(false).await;
        tokio::time::sleep(self.drain_delay).await;
        self.transports.stop();
        self.database.store.end_watching();
        let outcome = tokio::time::timeout(self.drain_timeout, self.transports.all_ended())
            .await
            .unwrap_or_else(|_| {
                tracing::warn!("requests in flight cut off");
                Ok(())
            });
        self.background.stop().await;
        self.database.close().await;
        outcome
    }
}
