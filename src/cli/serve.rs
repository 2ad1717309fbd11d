//! `oauth-clients serve`.

use std::{
    io::{self, Write as _},
    net::SocketAddr,
    num::NonZeroU32,
    path::PathBuf,
    pin::pin,
    time::Duration,
};

use tokio::signal::unix::{SignalKind, signal};

use super::{
    CliError, Database, Place, UrlText,
    tls::{ServeTls, Trust},
};
use crate::{
    auth::{
        KeyLocation,
        dev_key::{DevKey, DevToken, all_scopes},
    },
    bounded::{self, OUTPUT_LIMIT},
    config::{Issuer, PublicUrl, RestAddr, ServerConfig, TlsFiles},
    limits::{MAX_PER_MINUTE, Quotas, RedisUrl},
    server::Server,
    telemetry::{LogFormat, Telemetry},
};

/// How long the token that `--dev` prints is valid.
const DEV_TOKEN_LIFETIME: Duration = Duration::from_hours(24);

/// How often the keys of an issuer may be fetched.
const MIN_JWKS_REFRESH: Duration = Duration::from_secs(10);

#[derive(Debug, clap::Args)]
pub(super) struct Serve {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    database: Database,
    /// For trying out on one machine: accepts tokens of a key in the data directory, and prints one.
    #[arg(long, env = "OAUTH_CLIENTS_DEV")]
    dev: bool,
    /// Where the gRPC transport listens.
    #[arg(
        long,
        env = "OAUTH_CLIENTS_GRPC_ADDR",
        value_name = "ADDR",
        default_value = "127.0.0.1:50051"
    )]
    grpc_addr: SocketAddr,
    /// Where the REST transport listens, or off.
    #[arg(
        long,
        env = "OAUTH_CLIENTS_REST_ADDR",
        value_name = "ADDR",
        default_value = "127.0.0.1:8080"
    )]
    rest_addr: RestAddr,
    #[command(flatten)]
    tls: ServeTls,
    /// How many connections to the database this server opens at most [default: 16; on SQLite 4 that read, beside the one
    /// that writes].
    #[arg(
        long,
        env = "OAUTH_CLIENTS_DATABASE_CONNECTIONS",
        value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..=1_000)
    )]
    database_connections: Option<u32>,
    /// Bring a PostgreSQL schema up to date at start. A SQLite file always is.
    #[arg(long, env = "OAUTH_CLIENTS_MIGRATE")]
    migrate: bool,
    /// What the links in answers begin with [default: the address of the REST transport].
    #[arg(long, env = "OAUTH_CLIENTS_PUBLIC_URL", value_name = "URL")]
    public_url: Option<PublicUrl>,
    /// The iss of the tokens to accept.
    #[arg(long, env = "OAUTH_CLIENTS_ISSUER", value_name = "ISS")]
    issuer: Option<String>,
    /// The aud of the tokens to accept.
    #[arg(long, env = "OAUTH_CLIENTS_AUDIENCE", value_name = "AUD")]
    audience: Option<String>,
    /// The file with the keys of the issuer (RFC 7517 section 5).
    #[arg(long, env = "OAUTH_CLIENTS_JWKS_FILE", value_name = "FILE")]
    jwks_file: Option<PathBuf>,
    /// The URL of the keys of the issuer, instead of a file. Its metadata says it (RFC 8414 section 2).
    #[arg(
        long,
        env = "OAUTH_CLIENTS_JWKS_URL",
        hide_env_values = true,
        value_name = "URL"
    )]
    jwks_url: Option<UrlText>,
    /// How often the keys are fetched from the URL. A token of an unknown key has them fetched at once.
    #[arg(
        long,
        env = "OAUTH_CLIENTS_JWKS_REFRESH",
        value_name = "DURATION",
        default_value = "5m"
    )]
    jwks_refresh: humantime::Duration,
    /// Accept only tokens that say of themselves that they are access tokens: typ at+jwt (RFC 9068 section 2.1).
    #[arg(long, env = "OAUTH_CLIENTS_REQUIRE_AT_JWT")]
    require_at_jwt: bool,
    /// The claim of a token that holds the tenant.
    #[arg(
        long,
        env = "OAUTH_CLIENTS_TENANT_CLAIM",
        value_name = "NAME",
        default_value = "tenant_id"
    )]
    tenant_claim: String,
    /// The claim of a token that holds the scopes [default: scope, or else scp].
    #[arg(long, env = "OAUTH_CLIENTS_SCOPE_CLAIM", value_name = "NAME")]
    scope_claim: Option<String>,
    /// How many reads one caller may make a minute; 0 means any number.
    #[arg(
        long,
        env = "OAUTH_CLIENTS_TIER1_PER_MINUTE",
        value_name = "N",
        default_value_t = 1_000,
        value_parser = clap::value_parser!(u32).range(..=i64::from(MAX_PER_MINUTE))
    )]
    tier1_per_minute: u32,
    /// How many changes one caller may make a minute; 0 means any number.
    #[arg(
        long,
        env = "OAUTH_CLIENTS_TIER2_PER_MINUTE",
        value_name = "N",
        default_value_t = 100,
        value_parser = clap::value_parser!(u32).range(..=i64::from(MAX_PER_MINUTE))
    )]
    tier2_per_minute: u32,
    /// redis://USER:PASSWORD@HOST:PORT/DATABASE, through which replicas share the limits; rediss:// for TLS.
    #[arg(
        long,
        env = "OAUTH_CLIENTS_REDIS_URL",
        hide_env_values = true,
        value_name = "URL"
    )]
    redis_url: Option<UrlText>,
    /// How long a call may take at most.
    #[arg(
        long,
        env = "OAUTH_CLIENTS_CALL_TIMEOUT",
        value_name = "DURATION",
        default_value = "10s"
    )]
    call_timeout: humantime::Duration,
    /// On SIGTERM, how long to say "not ready" before refusing work [default: 5s, with --dev 0s].
    #[arg(long, env = "OAUTH_CLIENTS_DRAIN_DELAY", value_name = "DURATION")]
    drain_delay: Option<humantime::Duration>,
    /// On SIGTERM, how long to wait for work in flight.
    #[arg(
        long,
        env = "OAUTH_CLIENTS_DRAIN_TIMEOUT",
        value_name = "DURATION",
        default_value = "20s"
    )]
    drain_timeout: humantime::Duration,
    /// How log lines look.
    #[arg(
        long,
        env = "OAUTH_CLIENTS_LOG_FORMAT",
        value_name = "FORMAT",
        default_value = "auto"
    )]
    log_format: LogFormat,
    /// What is logged: error, warn, info, debug or trace, or targets with one of these each.
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
        let _telemetry = Telemetry::install(self.log_format, &self.log)?;
        let dev = self.dev.then(|| self.place.data_dir.clone());
        let mut stop = pin!(stop_signal()?);
        let config = self.config()?;
        let tls = config.tls.clone();
        let server = tokio::select! {
            server = Server::bind(config) => server?,
            () = &mut stop => return Ok(()),
        };
        let rest = server
            .rest_addr()
            .map_or("off".to_owned(), |addr| addr.to_string());
        tracing::info!(grpc = %server.grpc_addr(), rest, "listening");
        if let Some(data_dir) = dev {
            greet(&server, tls.as_ref(), &data_dir)?;
        }
        Ok(server.run(stop).await?)
    }

    pub(super) fn config(self) -> Result<ServerConfig, CliError> {
        let default_delay = if self.dev {
            Duration::ZERO
        } else {
            Duration::from_secs(5)
        };
        Ok(ServerConfig {
            issuer: self.issuer()?,
            redis_url: self.redis_url()?,
            grpc_addr: self.grpc_addr,
            rest_addr: self.rest_addr,
            tls: self.tls.files()?,
            allow_plaintext: self.tls.allow_plaintext,
            public_url: self.public_url,
            database_url: self.place.database_url(self.database)?,
            database_connections: self.database_connections.and_then(NonZeroU32::new),
            migrate: self.migrate,
            quotas: Quotas {
                tier1_per_minute: self.tier1_per_minute,
                tier2_per_minute: self.tier2_per_minute,
            },
            call_timeout: self.call_timeout.into(),
            drain_delay: self.drain_delay.map_or(default_delay, Into::into),
            drain_timeout: self.drain_timeout.into(),
        })
    }

    fn redis_url(&self) -> Result<Option<RedisUrl>, CliError> {
        let parse = |UrlText(url): &UrlText| {
            url.parse().map_err(|_| CliError::Key {
                key: "--redis-url",
                rule: "must be redis://USER:PASSWORD@HOST:PORT/DATABASE, or rediss:// for TLS, or unix:///PATH",
            })
        };
        self.redis_url.as_ref().map(parse).transpose()
    }

    fn issuer(&self) -> Result<Issuer, CliError> {
        let key = |key, rule| CliError::Key { key, rule };
        if self.dev {
            let keys = self.jwks_file.is_some() || self.jwks_url.is_some();
            if self.issuer.is_some() || self.audience.is_some() || keys {
                return Err(key(
                    "--dev",
                    "accepts its own tokens only: leave --issuer, --audience, --jwks-file and --jwks-url out",
                ));
            }
            let rest_is_local = match self.rest_addr {
                RestAddr::On(addr) => addr.ip().is_loopback(),
                RestAddr::Off => true,
            };
            if !self.grpc_addr.ip().is_loopback() || !rest_is_local {
                return Err(key(
                    "--dev",
                    "is for this machine only: --grpc-addr and --rest-addr must be loopback addresses",
                ));
            }
            return Ok(Issuer::Development {
                data_dir: self.place.data_dir.clone(),
            });
        }
        let missing = "is required without --dev";
        let said = |value: &Option<String>, name| {
            value
                .clone()
                .filter(|value| !value.is_empty())
                .ok_or(key(name, missing))
        };
        Ok(Issuer::External {
            issuer: said(&self.issuer, "--issuer")?,
            audience: said(&self.audience, "--audience")?,
            keys: self.key_location()?,
            jwks_refresh: Some(self.jwks_refresh.into())
                .filter(|refresh| *refresh >= MIN_JWKS_REFRESH)
                .ok_or(key("--jwks-refresh", "must be 10s or more"))?,
            tenant_claim: self.tenant_claim.clone(),
            scope_claim: self.scope_claim.clone(),
            require_at_jwt: self.require_at_jwt,
        })
    }

    fn key_location(&self) -> Result<KeyLocation, CliError> {
        let key = |key, rule| Err(CliError::Key { key, rule });
        match (&self.jwks_file, &self.jwks_url) {
            (Some(file), None) => Ok(KeyLocation::File(file.clone())),
            (None, Some(UrlText(url))) => match url.parse() {
                Ok(url) => Ok(KeyLocation::Url(url)),
                Err(_) => key(
                    "--jwks-url",
                    "must be an https URL without userinfo; http is for this machine only",
                ),
            },
            (None, None) => key("--jwks-file", "or --jwks-url is required without --dev"),
            (Some(_), Some(_)) => key("--jwks-file", "and --jwks-url cannot both be given"),
        }
    }
}

/// Ready on SIGTERM or SIGINT.
fn stop_signal() -> io::Result<impl Future<Output = ()> + Send> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Tells who tries the server out how to call it.
fn greet(server: &Server, tls: Option<&TlsFiles>, data_dir: &std::path::Path) -> Result<(), CliError> {
    let key = DevKey::load_or_create(data_dir)?;
    let token = key.sign(&DevToken {
        tenant: "dev",
        subject: "developer",
        scope: all_scopes(),
        lifetime: DEV_TOKEN_LIFETIME,
    })?;
    let grpc = server.grpc_addr();
    let rest = server
        .rest_addr()
        .map(|addr| format!("{}://{addr}", if tls.is_some() { "https" } else { "http" }));
    let trust = Trust::of(tls);
    let mut out = Vec::new();
    writeln!(out, "gRPC on {grpc}")?;
    if let Some(rest) = &rest {
        writeln!(out, "REST on {rest}")?;
    }
    writeln!(
        out,
        "\nA token of the tenant \"dev\" that may do everything, for 24 hours:\n\nexport TOKEN={token}\n"
    )?;
    if let Some(rest) = &rest {
        writeln!(
            out,
            "curl {}-H \"Authorization: Bearer $TOKEN\" {rest}/api/core/oauth-clients",
            trust.curl
        )?;
    }
    writeln!(
        out,
        "grpcurl {}-H \"Authorization: Bearer $TOKEN\" {grpc} oauth_clients.v1.OAuthClientService/ListOAuthClients\n",
        trust.grpcurl
    )?;
    print(out)
}

/// Prints on standard output. When nobody reads it, the API is served all the same.
fn print(text: Vec<u8>) -> Result<(), CliError> {
    let print = move || {
        let mut out = io::stdout().lock();
        out.write_all(&text)?;
        out.flush()
    };
    if let Some(printed) = bounded::within(OUTPUT_LIMIT, print) {
        printed?;
    } else {
        tracing::warn!("standard output blocked, greeting not printed");
    }
    Ok(())
}
