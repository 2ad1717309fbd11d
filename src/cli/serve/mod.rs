//! `oauth-clients serve`.

mod assertion;
mod changes;
mod connections;
mod greeting;
mod issuer;
mod overload;
mod rate_limit;
mod signal;
mod tls;
mod watch;

use std::{net::SocketAddr, num::NonZeroU32, pin::pin};

use bytesize::ByteSize;
use humantime::format_duration;

use self::{
    assertion::AssertionArgs, changes::ChangeArgs, connections::ConnectionArgs, greeting::Greeting,
    issuer::IssuerArgs, overload::OverloadArgs, rate_limit::RateLimitArgs, signal::stop_signal, tls::TlsArgs,
    watch::WatchArgs,
};
use super::{
    CliError, FlagError,
    args::{ConfigArgs, DataDirArgs, DatabaseArgs},
};
use crate::{
    config::{
        DEFAULT_CACHE_SIZE, DEFAULT_CALL_TIMEOUT, DEFAULT_DRAIN_DELAY, DEFAULT_DRAIN_TIMEOUT,
        DEFAULT_GRPC_ADDR, DEFAULT_REST_ADDR, DEV_DRAIN_DELAY, Issuer, PublicUrl, RestAddr, ServerConfig,
    },
    io::descriptors,
    server::Server,
    store::{DEFAULT_CONNECTIONS, DEFAULT_READERS},
    telemetry::{LogFormat, Telemetry},
};

#[derive(Debug, clap::Args)]
pub(super) struct Serve {
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    data_dir: DataDirArgs,
    /// Development mode, on this machine only: accept tokens of a key in the data directory, and print one.
    #[arg(long, env = "OAUTH_CLIENTS_DEV")]
    dev: bool,
    #[command(flatten)]
    transports: TransportArgs,
    #[command(flatten)]
    connections: ConnectionArgs,
    #[command(flatten)]
    tls: TlsArgs,
    #[command(flatten, next_help_heading = "Database")]
    database: DatabaseArgs,
    #[command(flatten)]
    schema: SchemaArgs,
    #[command(flatten)]
    changes: ChangeArgs,
    #[command(flatten)]
    issuer: IssuerArgs,
    #[command(flatten)]
    assertion: AssertionArgs,
    #[command(flatten)]
    rate_limit: RateLimitArgs,
    #[command(flatten)]
    overload: OverloadArgs,
    #[command(flatten)]
    watch: WatchArgs,
    #[command(flatten)]
    shutdown: ShutdownArgs,
    #[command(flatten)]
    metrics: MetricsArgs,
    #[command(flatten)]
    log: LogArgs,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Transports")]
struct TransportArgs {
    /// Address of the gRPC transport.
    #[arg(
        long,
        env = "OAUTH_CLIENTS_GRPC_ADDR",
        value_name = "ADDR",
        default_value_t = DEFAULT_GRPC_ADDR
    )]
    grpc_addr: SocketAddr,
    /// Address of the REST transport, or off.
    #[arg(
        long,
        env = "OAUTH_CLIENTS_REST_ADDR",
        value_name = "ADDR",
        default_value_t = RestAddr::On(DEFAULT_REST_ADDR)
    )]
    rest_addr: RestAddr,
    /// Base URL of the links in responses [default: the address of the REST transport].
    #[arg(long, env = "OAUTH_CLIENTS_PUBLIC_URL", value_name = "URL")]
    public_url: Option<PublicUrl>,
    /// Maximum duration of a request.
    #[arg(
        long,
        env = "OAUTH_CLIENTS_CALL_TIMEOUT",
        value_name = "DURATION",
        default_value_t = DEFAULT_CALL_TIMEOUT.into()
    )]
    call_timeout: humantime::Duration,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Database")]
struct SchemaArgs {
    #[arg(
        long,
        env = "OAUTH_CLIENTS_DATABASE_CONNECTIONS",
        value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..=1_000),
        help = format!(
            "Maximum number of database connections [default: {DEFAULT_CONNECTIONS}; on SQLite {DEFAULT_READERS} that \
             read, and one that writes]"
        )
    )]
    database_connections: Option<u32>,
    /// Maximum size of the clients in memory, such as 64MiB; 0 for none.
    #[arg(
        long,
        env = "OAUTH_CLIENTS_CACHE_SIZE",
        value_name = "SIZE",
        default_value_t = DEFAULT_CACHE_SIZE
    )]
    cache_size: ByteSize,
    /// Migrate a PostgreSQL schema at startup. A SQLite file is always migrated.
    #[arg(long, env = "OAUTH_CLIENTS_MIGRATE")]
    migrate: bool,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Shutdown")]
struct ShutdownArgs {
    #[arg(
        long,
        env = "OAUTH_CLIENTS_DRAIN_DELAY",
        value_name = "DURATION",
        help = format!(
            "Time to report \"not ready\" after SIGTERM before new work is refused [default: {}, with --dev {}]",
            format_duration(DEFAULT_DRAIN_DELAY),
            format_duration(DEV_DRAIN_DELAY)
        )
    )]
    drain_delay: Option<humantime::Duration>,
    /// Maximum time to wait for requests in flight, after the delay.
    #[arg(
        long,
        env = "OAUTH_CLIENTS_DRAIN_TIMEOUT",
        value_name = "DURATION",
        default_value_t = DEFAULT_DRAIN_TIMEOUT.into()
    )]
    drain_timeout: humantime::Duration,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Metrics")]
struct MetricsArgs {
    /// Address at which Prometheus scrapes /metrics, in plaintext [default: off].
    #[arg(long, env = "OAUTH_CLIENTS_METRICS_ADDR", value_name = "ADDR")]
    metrics_addr: Option<SocketAddr>,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Logs")]
struct LogArgs {
    /// Format of log lines.
    #[arg(
        long,
        env = "OAUTH_CLIENTS_LOG_FORMAT",
        value_name = "FORMAT",
        default_value = "auto"
    )]
    log_format: LogFormat,
    /// Minimum level: error, warn, info, debug or trace, or a list of targets with a level each (target=level).
    #[arg(
        long,
        env = "OAUTH_CLIENTS_LOG",
        value_name = "FILTER",
        default_value = "info"
    )]
    log: String,
}

impl Serve {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let scraped = self.metrics.metrics_addr.is_some();
        let _telemetry = Telemetry::install(self.log.log_format, &self.log.log, scraped)?;
        let mut stop = pin!(stop_signal()?);
        let config = self.config()?;
        let descriptors = descriptors::raise_limit();
        let (issuer, tls) = (config.issuer.clone(), config.tls.clone());
        let server = tokio::select! {
            server = Server::bind(config) => server?,
            () = &mut stop => return Ok(()),
        };
        let rest = server
            .rest_addr()
            .map_or("off".to_owned(), |addr| addr.to_string());
        let max_connections = server.max_connections();
        let metrics = server.metrics_addr().map(tracing::field::display);
        tracing::info!(grpc = %server.grpc_addr(), rest, metrics, descriptors, max_connections, "listening");
        if let Issuer::Development { data_dir } = issuer {
            Greeting::new(&server, tls, &data_dir)?.print()?;
        }
        Ok(server.run(stop).await?)
    }

    pub(super) fn config(self) -> Result<ServerConfig, CliError> {
        let issuer = self.issuer()?;
        let redis_url = self.rate_limit.redis_url()?;
        let tls = self.tls.files()?;
        let connections = self.connections.limits()?;
        let max_assertion_lifetime = self.assertion.max_lifetime()?;
        let change_retention = self.changes.retention()?;
        let defaults = ServerConfig::new(self.database.url(&self.data_dir)?, issuer);
        let drain_delay = self.shutdown.drain_delay;
        Ok(ServerConfig {
            grpc_addr: self.transports.grpc_addr,
            rest_addr: self.transports.rest_addr,
            public_url: self.transports.public_url,
            call_timeout: self.transports.call_timeout.into(),
            metrics_addr: self.metrics.metrics_addr,
            tls,
            allow_plaintext: self.tls.allow_plaintext,
            database_connections: self.schema.database_connections.and_then(NonZeroU32::new),
            cache_size: self.schema.cache_size,
            migrate: self.schema.migrate,
            quotas: self.rate_limit.quotas(),
            redis_url,
            connections,
            queue_time: self.overload.queue_time()?,
            watch_streams: self.watch.watch_streams,
            max_assertion_lifetime,
            change_retention,
            drain_delay: drain_delay.map_or(defaults.drain_delay, Into::into),
            drain_timeout: self.shutdown.drain_timeout.into(),
            ..defaults
        })
    }

    fn issuer(&self) -> Result<Issuer, FlagError> {
        if !self.dev {
            return self.issuer.external().map(Issuer::External);
        }
        if self.issuer.is_given() {
            return Err(FlagError::DevIssuer);
        }
        if !self.transports.are_loopback() || !self.metrics.is_loopback() {
            return Err(FlagError::DevAddr);
        }
        Ok(Issuer::Development {
            data_dir: self.data_dir.data_dir.clone(),
        })
    }
}

impl MetricsArgs {
    fn is_loopback(&self) -> bool {
        self.metrics_addr.is_none_or(|addr| addr.ip().is_loopback())
    }
}

impl TransportArgs {
    fn are_loopback(&self) -> bool {
        let rest = self.rest_addr.addr();
        self.grpc_addr.ip().is_loopback() && rest.is_none_or(|addr| addr.ip().is_loopback())
    }
}
