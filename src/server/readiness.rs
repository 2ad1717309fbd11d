//! The readiness of a server, for load balancers.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tonic_health::{ServingStatus, server::HealthReporter};

use crate::{auth::IssuerKeys, error_chain::error_chain, pb::Protos, store::Store};

/// The interval at which the database is probed.
pub(super) const READINESS_INTERVAL: Duration = Duration::from_secs(1);

/// The name under which the health service reports the server as a whole.
const SERVER: &str = "";

/// The readiness of this server, which its health service reports too.
#[derive(Debug, Clone)]
pub(super) struct Readiness {
    health: HealthReporter,
    services: Arc<[String]>,
    ready: Arc<AtomicBool>,
}

impl Readiness {
    /// Creates the readiness of a server that is not ready yet.
    pub(super) fn new(health: HealthReporter, protos: &Protos) -> Self {
        let services = std::iter::once(SERVER.to_owned()).chain(protos.service_names());
        Self {
            health,
            services: services.collect(),
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
        for service in &*self.services {
            self.health.set_service_status(service, status).await;
        }
    }

    pub(super) fn get(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }
}

/// Keeps the readiness up to date. A server is ready if the keys of its issuer are known, and its database responds, is the
/// one that was opened and has every migration.
pub(super) async fn keep_ready(store: &Store, keys: &IssuerKeys, readiness: &Readiness) {
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
