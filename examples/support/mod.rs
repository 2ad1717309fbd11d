//! A registry for the tools that measure one: in this process, on a runtime of its own.

pub(crate) mod seed;

use std::{
    error::Error,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use oauth_clients::{
    auth::dev_key::{DevKey, DevToken, all_scopes},
    config::{Issuer, RestAddr, ServerConfig},
    domain::ids::TenantId,
    limits::Quotas,
    server::Server,
    store::{DatabaseUrl, Store},
};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use uuid::Uuid;

pub(crate) type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Longer than any run.
const TOKEN_LIFETIME: Duration = Duration::from_hours(24);
pub(crate) const ANY_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A registry that answers for as long as the runtime that it was started on lives.
pub(crate) struct Registry {
    /// The gRPC transport and the REST transport.
    pub(crate) transports: [SocketAddr; 2],
    database: DatabaseUrl,
    key: DevKey,
    _files: TempDir,
}

/// The threads of the servers, as many as there are processors. The callers have others.
pub(crate) fn server_threads() -> io::Result<Runtime> {
    log_to_nowhere();
    Builder::new_multi_thread()
        .thread_name("servers")
        .enable_all()
        .build()
}

/// Log lines are made as in production, and not written, so that no terminal or disk is measured.
fn log_to_nowhere() {
    tracing_subscriber::fmt()
        .json()
        .with_max_level(tracing::Level::INFO)
        .with_writer(io::sink)
        .init();
}

impl Registry {
    /// Starts one without quotas, on a database, or else on a SQLite file that goes with it.
    pub(crate) async fn start(database: Option<DatabaseUrl>) -> Outcome<Self> {
        let files = tempfile::tempdir()?;
        let database = database.unwrap_or_else(|| DatabaseUrl::sqlite_file(&files.path().join("clients.db")));
        let key = DevKey::load_or_create(files.path())?;
        let server = Server::bind(ServerConfig {
            grpc_addr: ANY_PORT,
            rest_addr: RestAddr::On(ANY_PORT),
            tls: None,
            allow_plaintext: false,
            public_url: None,
            redis_url: None,
            database_url: database.clone(),
            database_connections: None,
            migrate: true,
            issuer: Issuer::Development {
                data_dir: files.path().to_owned(),
            },
            quotas: Quotas {
                tier1_per_minute: 0,
                tier2_per_minute: 0,
            },
            call_timeout: Duration::from_secs(10),
            drain_delay: Duration::ZERO,
            drain_timeout: Duration::from_secs(1),
        })
        .await?;
        let rest = server.rest_addr().ok_or("the REST transport is closed")?;
        let transports = [server.grpc_addr(), rest];
        tokio::spawn(server.run(std::future::pending()));
        Ok(Self {
            transports,
            database,
            key,
            _files: files,
        })
    }

    /// The database, for filling it.
    pub(crate) async fn store(&self) -> Outcome<Store> {
        Ok(Store::connect(&self.database, None).await?)
    }

    /// What to call the database in a table.
    pub(crate) fn database_name(&self) -> &'static str {
        if self.database.is_sqlite() {
            "SQLite"
        } else {
            "PostgreSQL"
        }
    }

    /// The `authorization` of a caller who may do everything in a tenant.
    pub(crate) fn authorization(&self, tenant: &TenantId) -> Outcome<String> {
        let token = self.key.sign(&DevToken {
            tenant: tenant.as_str(),
            subject: "measuring",
            scope: all_scopes(),
            lifetime: TOKEN_LIFETIME,
        })?;
        Ok(format!("Bearer {token}"))
    }
}

/// A tenant that no run before this one had.
pub(crate) fn new_tenant() -> Outcome<TenantId> {
    Ok(TenantId::parse(&format!("measured-{}", Uuid::now_v7().simple()))?)
}
