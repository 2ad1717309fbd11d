//! The readiness of a server, for load balancers.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tonic_health::{ServingStatus, server::HealthReporter};

use crate::{
    auth::IssuerKeys,
    error_chain::error_chain,
    pb::v1::{client_authentication_service_server, o_auth_client_service_server},
    store::Store,
};

/// The interval at which the database is probed.
pub(super) const READINESS_INTERVAL: Duration = Duration::from_secs(1);

/// The server as a whole, and each of its services.
const SERVICES: [&str; 3] = [
    "",
    o_auth_client_service_server::SERVICE_NAME,
    client_authentication_service_server::SERVICE_NAME,
];

/// The readiness of this server, which its health service reports too.
#[derive(Debug, Clone)]
pub(super) struct Readiness {
    health: HealthReporter,
    ready: Arc<AtomicBool>,
}

impl Readiness {
    /// Creates the readiness of a server that is not ready yet.
    pub(super) fn new(health: HealthReporter) -> Self {
        Self {
            health,
            ready: Arc::new(AtomicBool::new(false)),
        }
    }

    pub(super) async fn set(&self, ready: bool) {
        self.ready.store(ready, Ordering::Relaxed);
        let status = if ready {
            ServingStatus::Serving
        } else {
            ServingStatus::NotServing
        };
        for service in SERVICES {
            self.health.set_service_status(service, status).await;
        }
    }

    /// Ends the streams that watch the health of a service, which would not end by themselves.
    pub(super) async fn close(&self) {
        for service in SERVICES {
            self.health.clone().clear_service_status(service).await;
        }
    }

    pub(super) fn get(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }
}

/// Keeps the readiness up to date. A server is ready if the keys of its issuer are known, and its database responds, is the
/// one that was opened and has every migration.
pub(super) async fn keep_ready(store: Store, keys: IssuerKeys, readiness: Readiness) {
    keys.known().await;
    let mut interval = tokio::time::interval(READINESS_INTERVAL);
    loop {
        interval.tick().await;
        let outcome = store.check_ready().await;
        let ready = outcome.is_ok();
        if ready != readiness.get() {
            let cause = outcome.err().map(|error| error_chain(&error));
            tracing::warn!(ready, cause, "readiness changed");
            readiness.set(ready).await;
        }
    }
}
