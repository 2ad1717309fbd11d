//! Whether the server should get work, as load balancers ask.

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

/// How often the database is asked whether it is there.
pub(super) const READINESS_INTERVAL: Duration = Duration::from_secs(1);

/// The server as a whole, and each of its services.
const SERVICES: [&str; 3] = [
    "",
    o_auth_client_service_server::SERVICE_NAME,
    client_authentication_service_server::SERVICE_NAME,
];

/// Whether this server should get work, as it is said to load balancers.
#[derive(Debug, Clone)]
pub(super) struct Readiness {
    health: HealthReporter,
    ready: Arc<AtomicBool>,
}

impl Readiness {
    /// Not ready yet.
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

    /// Ends the calls that watch the health of a service, which would not end by themselves.
    pub(super) async fn close(&self) {
        for service in SERVICES {
            self.health.clone().clear_service_status(service).await;
        }
    }

    pub(super) fn get(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }
}

/// Ready means: the database answers, has the schema of this version, and is the one that was opened; and the keys of
/// the issuer are known.
pub(super) async fn keep_ready(store: Store, keys: IssuerKeys, readiness: Readiness) {
    keys.known().await;
    let mut interval = tokio::time::interval(READINESS_INTERVAL);
    loop {
        interval.tick().await;
        let outcome = store.check_ready().await;
        let ready = outcome.is_ok();
        if ready != readiness.get() {
            let cause = outcome.err().map(|error| error_chain(&error));
            tracing::warn!(ready, cause, "the readiness changed");
            readiness.set(ready).await;
        }
    }
}
