//! A server in the process of the tests.

use std::{net::SocketAddr, path::Path, time::Duration};

use oauth_clients::{
    auth::dev_key::{DevKey, DevToken, all_scopes},
    config::{Issuer, RestAddr, ServerConfig},
    limits::Quotas,
    server::{Server, ServerError},
    store::Store,
};
use tempfile::TempDir;
use tokio::{sync::oneshot, task::JoinHandle};

use super::{Caller, Db, caller::Transports};

/// A server on a database of its own. It stops when this is dropped.
pub(crate) struct TestServer {
    pub(crate) transports: Transports,
    pub(crate) rest_addr: SocketAddr,
    pub(crate) grpc_addr: SocketAddr,
    pub(crate) store: Store,
    key: DevKey,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<Result<(), ServerError>>,
    // Dropped after the server, which uses them.
    pub(crate) db: Db,
    data_dir: TempDir,
}

impl TestServer {
    pub(crate) async fn start(db: Db) -> Self {
        Self::start_with(db, |_| {}).await
    }

    pub(crate) async fn start_with(db: Db, configure: impl FnOnce(&mut ServerConfig)) -> Self {
        let data_dir = tempfile::tempdir().unwrap();
        let mut config = config(&db, data_dir.path());
        configure(&mut config);
        let server = Server::bind(config).await.unwrap();
        let (rest_addr, grpc_addr) = (server.rest_addr().unwrap(), server.grpc_addr());
        let store = server.store().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let running = tokio::spawn(server.run(async {
            // Dropping the sender stops the server too.
            let _dropped = stopped.await;
        }));
        Self {
            transports: Transports::at(format!("http://{rest_addr}"), format!("http://{grpc_addr}")),
            rest_addr,
            grpc_addr,
            store,
            key: DevKey::load_or_create(data_dir.path()).unwrap(),
            stop: Some(stop),
            running,
            db,
            data_dir,
        }
    }

    /// Starts another server on the same database; `None` on SQLite, which has one server.
    pub(crate) async fn replica(&self) -> Option<Self> {
        if self.db.is_sqlite() {
            return None;
        }
        let url = self.db.url();
        // Its own database is never opened.
        Some(Self::start_with(Db::sqlite(), |config| config.database_url = url).await)
    }

    /// Returns a caller with every scope in the tenant `acme`.
    pub(crate) fn admin(&self) -> Caller<'_> {
        self.admin_of("acme")
    }

    pub(crate) fn admin_of(&self, tenant: &str) -> Caller<'_> {
        self.caller(Some(self.token(tenant, "admin", all_scopes())))
    }

    pub(crate) fn caller(&self, token: Option<String>) -> Caller<'_> {
        self.transports.caller(token)
    }

    pub(crate) fn token(&self, tenant: &str, subject: &str, scope: &str) -> String {
        self.token_for(tenant, subject, scope, Duration::from_mins(1))
    }

    /// Returns a token that expires after a time.
    pub(crate) fn token_for(&self, tenant: &str, subject: &str, scope: &str, lifetime: Duration) -> String {
        let token = DevToken {
            tenant,
            subject,
            scope,
            lifetime,
        };
        self.key.sign(&token).unwrap()
    }

    /// Returns the directory of the development key.
    pub(crate) fn data_dir(&self) -> &Path {
        self.data_dir.path()
    }

    /// Stops the server, and returns its database once it has stopped.
    pub(crate) async fn stop(mut self) -> Db {
        drop(self.stop.take());
        self.running.await.unwrap().unwrap();
        self.db
    }
}

pub(crate) fn config(db: &Db, data_dir: &Path) -> ServerConfig {
    let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
    let issuer = Issuer::Development {
        data_dir: data_dir.to_owned(),
    };
    ServerConfig {
        grpc_addr: any_port,
        rest_addr: RestAddr::On(any_port),
        migrate: true,
        quotas: Quotas::UNLIMITED,
        // Tests insert old records.
        change_retention: Duration::MAX,
        drain_timeout: Duration::from_secs(5),
        // A slow machine refuses nothing.
        queue_time: Duration::from_secs(10),
        ..ServerConfig::new(db.url(), issuer)
    }
}
