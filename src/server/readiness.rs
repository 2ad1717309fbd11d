//! Whether the server should get work, as load balancers ask.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tonic_health::{ServingStatus, server::HealthReporter};

use crate::{auth::IssuerKeys, pb::Protos, rpc::status::chain, store::Store};

/// How often the database is asked whether it is there.
pub(super) const READINESS_INTERVAL: Duration = Duration::from_secs(1);

/// The name under which the health service reports the server as a whole.
const SERVER: &str = "";

/// Whether this server should get work, as it is said to load balancers.
#[derive(Debug, Clone)]
pub(super) struct Readiness {
    health: HealthReporter,
    services: Arc<[String]>,
    ready: Arc<AtomicBool>,
}

impl Readiness {
    /// Starts as not ready.
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

    /// Ends the calls that watch the health of a service, which would not end by themselves.
    pub(super) async fn close(&self) {
        for service in &*self.services {
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
            let cause = outcome.err().map(|error| chain(&error));
            tracing::warn!(ready, cause, "the readiness changed");
            readiness.set(ready).await;
        }
    }
}
