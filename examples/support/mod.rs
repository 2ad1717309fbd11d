//! A registry in this process, on a runtime of its own, for the tools that measure it.

mod output;
pub(crate) mod seed;

use std::{
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
    telemetry::json_lines,
};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use tracing_subscriber::{
    Layer as _, filter::LevelFilter, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};
use uuid::Uuid;

pub(crate) use self::output::{Outcome, print};

/// Longer than any run.
const TOKEN_LIFETIME: Duration = Duration::from_hours(24);
pub(crate) const ANY_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A registry that serves for as long as the runtime that it was started on exists.
pub(crate) struct Registry {
    /// The addresses of the gRPC and the REST transport.
    pub(crate) transports: [SocketAddr; 2],
    /// The store of the server, with its memory.
    pub(crate) serving: Store,
    database: DatabaseUrl,
    key: DevKey,
    _files: TempDir,
}

/// Creates the runtime of the servers, with a thread per processor. The callers have threads of their own.
pub(crate) fn server_threads() -> io::Result<Runtime> {
    discard_log();
    Builder::new_multi_thread()
        .thread_name("servers")
        .enable_all()
        .build()
}

/// Formats log lines as in production and discards them, so that no terminal or disk is measured.
fn discard_log() {
    tracing_subscriber::registry()
        .with(json_lines(io::sink).with_filter(LevelFilter::INFO))
        .init();
}

impl Registry {
    /// Starts a registry without rate limits on a database; `None` for a temporary SQLite file. `configure` changes the rest of
    /// its configuration.
    pub(crate) async fn start(
        database: Option<DatabaseUrl>,
        configure: impl FnOnce(&mut ServerConfig),
    ) -> Outcome<Self> {
        let files = tempfile::tempdir()?;
        let database = database.unwrap_or_else(|| DatabaseUrl::sqlite_file(&files.path().join("clients.db")));
        let key = DevKey::load_or_create(files.path())?;
        let issuer = Issuer::Development {
            data_dir: files.path().to_owned(),
        };
        let mut config = ServerConfig {
            grpc_addr: ANY_PORT,
            rest_addr: RestAddr::On(ANY_PORT),
            migrate: true,
            quotas: Quotas::UNLIMITED,
            ..ServerConfig::new(database.clone(), issuer)
        };
        configure(&mut config);
        let server = Server::bind(config).await?;
        let rest = server.rest_addr().ok_or("the REST transport is closed")?;
        let transports = [server.grpc_addr(), rest];
        let serving = server.store().clone();
        tokio::spawn(server.run(std::future::pending()));
        Ok(Self {
            transports,
            serving,
            database,
            key,
            _files: files,
        })
    }

    /// Returns the name of the database in a table.
    pub(crate) fn database_name(&self) -> &'static str {
        if self.database.is_sqlite() {
            "SQLite"
        } else {
            "PostgreSQL"
        }
    }

    /// Returns the `authorization` of a caller with every scope in a tenant.
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

/// Returns a tenant that no earlier run had.
pub(crate) fn new_tenant() -> Outcome<TenantId> {
    Ok(TenantId::parse(&format!("measured-{}", Uuid::now_v7().simple()))?)
}
