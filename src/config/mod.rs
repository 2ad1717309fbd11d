//! The configuration of a server, and its defaults.

mod connections;
mod issuer;
mod public_url;
mod rest_addr;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    num::NonZeroU32,
    ops::RangeInclusive,
    time::Duration,
};

use bytesize::ByteSize;

pub(crate) use self::connections::{DEFAULT_MAX_CONNECTION_AGE, MIN_MAX_CONNECTION_AGE};
pub(crate) use self::issuer::{DEFAULT_JWKS_REFRESH, MIN_JWKS_REFRESH};
pub use self::{
    connections::ConnectionLimits,
    issuer::{ExternalIssuer, Issuer},
    public_url::{InvalidPublicUrl, PublicUrl},
    rest_addr::{InvalidRestAddr, RestAddr},
};
pub use crate::tls::TlsFiles;
use crate::{
    limits::{Quotas, RedisUrl},
    store::{DEFAULT_QUEUE_TIME, DatabaseUrl},
};

/// The default of [`ServerConfig::grpc_addr`].
pub(crate) const DEFAULT_GRPC_ADDR: SocketAddr = loopback(50051);
/// The default of [`ServerConfig::rest_addr`].
pub(crate) const DEFAULT_REST_ADDR: SocketAddr = loopback(8080);
/// The default of [`ServerConfig::cache_size`].
pub(crate) const DEFAULT_CACHE_SIZE: ByteSize = ByteSize::mib(256);
/// The default of [`ServerConfig::call_timeout`].
pub(crate) const DEFAULT_CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// The default of [`ServerConfig::max_assertion_lifetime`].
pub(crate) const DEFAULT_MAX_ASSERTION_LIFETIME: Duration = Duration::from_mins(10);
/// The values of [`ServerConfig::max_assertion_lifetime`] that the command line allows.
pub(crate) const MAX_ASSERTION_LIFETIMES: RangeInclusive<Duration> =
    Duration::from_mins(1)..=Duration::from_hours(1);
/// The default of [`ServerConfig::change_retention`].
pub(crate) const DEFAULT_CHANGE_RETENTION: Duration = Duration::from_hours(90 * 24);
/// The least [`ServerConfig::change_retention`] that the command line allows: longer than memory needs the records.
pub(crate) const MIN_CHANGE_RETENTION: Duration = Duration::from_hours(24);
/// The default of [`ServerConfig::drain_delay`] with an external issuer.
pub(crate) const DEFAULT_DRAIN_DELAY: Duration = Duration::from_secs(5);
/// The default of [`ServerConfig::drain_delay`] with the development key.
pub(crate) const DEV_DRAIN_DELAY: Duration = Duration::ZERO;
/// The default of [`ServerConfig::drain_timeout`].
pub(crate) const DEFAULT_DRAIN_TIMEOUT: Duration = Duration::from_secs(20);

/// The default of [`ServerConfig::watch_streams`].
pub(crate) const DEFAULT_WATCH_STREAMS: u32 = 10;

/// The configuration of a server.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// The address that the gRPC transport listens on.
    pub grpc_addr: SocketAddr,
    /// The address that the REST transport listens on.
    pub rest_addr: RestAddr,
    /// The address at which the metrics of the process are served to Prometheus; `None` for none. They are those of the
    /// command `serve`, and none in another program.
    pub metrics_addr: Option<SocketAddr>,
    /// The files with which both transports speak TLS; `None` for plaintext.
    pub tls: Option<TlsFiles>,
    /// Allows plaintext on addresses other than loopback.
    pub allow_plaintext: bool,
    /// The base of the links in responses; `None` for the address of the REST transport.
    pub public_url: Option<PublicUrl>,
    /// The database.
    pub database_url: DatabaseUrl,
    /// The maximum number of database connections: on PostgreSQL of all, on SQLite of those that read. `None` for a
    /// number that suits the kind of database.
    pub database_connections: Option<NonZeroU32>,
    /// The maximum size of the clients in memory; 0 for none.
    pub cache_size: ByteSize,
    /// Migrates a PostgreSQL schema at startup. A SQLite file is always migrated.
    pub migrate: bool,
    /// The issuer whose bearer tokens are accepted.
    pub issuer: Issuer,
    /// The rate limits of a caller.
    pub quotas: Quotas,
    /// The Redis through which replicas share the rate limits; `None` if each replica limits by itself.
    pub redis_url: Option<RedisUrl>,
    /// The limits of connections.
    pub connections: ConnectionLimits,
    /// The maximum time that a request waits for its turn at the database.
    pub queue_time: Duration,
    /// The maximum duration of a request.
    pub call_timeout: Duration,
    /// The maximum number of streams of changes that a subject may have at a time on this server.
    pub watch_streams: u32,
    /// The maximum time until an assertion of a client expires, without the leeway for clocks.
    pub max_assertion_lifetime: Duration,
    /// The time for which records of changes are kept.
    pub change_retention: Duration,
    /// The time for which the server reports that it is not ready before it refuses new work, so that load balancers
    /// notice.
    pub drain_delay: Duration,
    /// The maximum time that the server waits for requests in flight before it cuts them off.
    pub drain_timeout: Duration,
}

impl ServerConfig {
    /// Creates a configuration with the defaults of the command line for everything but the database and the issuer.
    pub fn new(database_url: DatabaseUrl, issuer: Issuer) -> Self {
        Self {
            grpc_addr: DEFAULT_GRPC_ADDR,
            rest_addr: RestAddr::On(DEFAULT_REST_ADDR),
            metrics_addr: None,
            tls: None,
            allow_plaintext: false,
            public_url: None,
            database_url,
            database_connections: None,
            cache_size: DEFAULT_CACHE_SIZE,
            migrate: false,
            quotas: Quotas::default(),
            redis_url: None,
            connections: ConnectionLimits::default(),
            queue_time: DEFAULT_QUEUE_TIME,
            call_timeout: DEFAULT_CALL_TIMEOUT,
            watch_streams: DEFAULT_WATCH_STREAMS,
            max_assertion_lifetime: DEFAULT_MAX_ASSERTION_LIFETIME,
            change_retention: DEFAULT_CHANGE_RETENTION,
            drain_delay: match issuer {
                Issuer::Development { .. } => DEV_DRAIN_DELAY,
                Issuer::External(_) => DEFAULT_DRAIN_DELAY,
            },
            drain_timeout: DEFAULT_DRAIN_TIMEOUT,
            issuer,
        }
    }

    /// Returns the address of a transport that would speak plaintext outside loopback without being allowed to. Metrics are
    /// no secret, and always in plaintext.
    pub(crate) fn exposed_plaintext(&self) -> Option<SocketAddr> {
        if self.tls.is_some() || self.allow_plaintext {
            return None;
        }
        [Some(self.grpc_addr), self.rest_addr.addr()]
            .into_iter()
            .flatten()
            .find(|addr| !addr.ip().to_canonical().is_loopback())
    }
}

const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn config(grpc_addr: &str, rest_addr: &str) -> ServerConfig {
        let data_dir = PathBuf::new();
        ServerConfig {
            grpc_addr: grpc_addr.parse().unwrap(),
            rest_addr: rest_addr.parse().unwrap(),
            ..ServerConfig::new("sqlite:x".parse().unwrap(), Issuer::Development { data_dir })
        }
    }

    #[test]
    fn a_transport_outside_loopback_is_encrypted_unless_plaintext_is_allowed() {
        for (grpc, rest, exposed) in [
            ("127.0.0.1:1", "127.8.9.1:2", None),
            ("[::1]:1", "[::ffff:127.0.0.1]:2", None),
            ("127.0.0.1:1", "off", None),
            ("0.0.0.0:1", "127.0.0.1:2", Some("0.0.0.0:1")),
            ("192.0.2.1:1", "off", Some("192.0.2.1:1")),
            ("127.0.0.1:1", "[::]:2", Some("[::]:2")),
            ("[2001:db8::1]:1", "0.0.0.0:2", Some("[2001:db8::1]:1")),
        ] {
            let plain = config(grpc, rest);
            let exposed = exposed.map(|addr| addr.parse().unwrap());
            assert_eq!(plain.exposed_plaintext(), exposed, "{grpc} {rest}");
            let with_metrics = ServerConfig {
                metrics_addr: Some(([0, 0, 0, 0], 0).into()),
                ..plain.clone()
            };
            assert_eq!(with_metrics.exposed_plaintext(), exposed, "metrics are no secret");
            let allowed = ServerConfig {
                allow_plaintext: true,
                ..plain.clone()
            };
            assert_eq!(allowed.exposed_plaintext(), None);
            let files = TlsFiles {
                cert: PathBuf::new(),
                key: PathBuf::new(),
                client_ca: None,
            };
            let encrypted = ServerConfig {
                tls: Some(files),
                ..plain
            };
            assert_eq!(encrypted.exposed_plaintext(), None);
        }
    }
}
