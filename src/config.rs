//! What can be configured, typed and checked. The command line makes it, of flags, environment and file.

use std::{fmt, net::SocketAddr, num::NonZeroU32, path::PathBuf, str::FromStr, time::Duration};

use thiserror::Error;

use crate::{
    auth::KeyLocation,
    limits::{Quotas, RedisUrl},
    store::DatabaseUrl,
};

/// How to run a server.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Where the gRPC transport listens.
    pub grpc_addr: SocketAddr,
    /// Where the REST transport listens, if it is open.
    pub rest_addr: RestAddr,
    /// What both transports need to speak TLS, if they do.
    pub tls: Option<TlsFiles>,
    /// Whether a transport may speak plaintext to other machines.
    pub allow_plaintext: bool,
    /// What the links in answers begin with. Nothing means the address of the REST transport.
    pub public_url: Option<PublicUrl>,
    /// Where the clients are kept.
    pub database_url: DatabaseUrl,
    /// How many connections to the database the server has at most: on PostgreSQL all, on SQLite those that read. `None`
    /// means as many as suit the kind of database.
    pub database_connections: Option<NonZeroU32>,
    /// Whether a PostgreSQL schema is migrated at start. A SQLite file always is.
    pub migrate: bool,
    /// Whose tokens are accepted.
    pub issuer: Issuer,
    /// How often one caller may call.
    pub quotas: Quotas,
    /// Where replicas share what is left of that. Nothing means that each limits by itself.
    pub redis_url: Option<RedisUrl>,
    /// How long a call may take at most.
    pub call_timeout: Duration,
    /// How long the server says that it is not ready before it refuses work, so that load balancers notice.
    pub drain_delay: Duration,
    /// How long the server waits for work in flight before it ends all the same.
    pub drain_timeout: Duration,
}

impl ServerConfig {
    /// A transport that would speak plaintext to other machines without being allowed to.
    pub fn exposed_plaintext(&self) -> Option<SocketAddr> {
        if self.tls.is_some() || self.allow_plaintext {
            return None;
        }
        let rest = match self.rest_addr {
            RestAddr::On(addr) => Some(addr),
            RestAddr::Off => None,
        };
        let mut transports = [Some(self.grpc_addr), rest].into_iter().flatten();
        transports.find(|addr| !addr.ip().to_canonical().is_loopback())
    }
}

/// Files in PEM (RFC 7468) that are read again when they change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate of the server, and those that lead from it to its CA.
    pub cert: PathBuf,
    /// The private key of the certificate.
    pub key: PathBuf,
    /// The CAs of which every client needs a certificate. Nothing means that clients need none.
    pub client_ca: Option<PathBuf>,
}

/// Whose tokens are accepted.
#[derive(Debug, Clone)]
pub enum Issuer {
    /// Those of the development key in this directory.
    Development {
        /// The data directory.
        data_dir: PathBuf,
    },
    /// Those of one issuer.
    External {
        /// The `iss` of its tokens.
        issuer: String,
        /// The `aud` of its tokens for this service.
        audience: String,
        /// Where its keys are.
        keys: KeyLocation,
        /// How often its keys are fetched from a URL.
        jwks_refresh: Duration,
        /// The claim of its tokens that holds the tenant.
        tenant_claim: String,
        /// The claim of its tokens that holds the scopes. Nothing means `scope`, or else `scp`.
        scope_claim: Option<String>,
        /// Whether the `typ` of its tokens must be `at+jwt` (RFC 9068 section 2.1).
        require_at_jwt: bool,
    },
}

/// Where the REST transport listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestAddr {
    /// At this address.
    On(SocketAddr),
    /// Nowhere.
    Off,
}

/// A text is neither an address nor `off`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be an IP address and a port, such as 127.0.0.1:8080, or off")]
pub struct InvalidRestAddr;

impl FromStr for RestAddr {
    type Err = InvalidRestAddr;

    fn from_str(text: &str) -> Result<Self, InvalidRestAddr> {
        match text {
            "off" => Ok(Self::Off),
            _ => text.parse().map(Self::On).map_err(|_| InvalidRestAddr),
        }
    }
}

/// An absolute `http` or `https` URL without query and fragment, and without a slash at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl(String);

/// A text is no public URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be an absolute http or https URL without query and fragment, such as https://api.example.com")]
pub struct InvalidPublicUrl;

impl FromStr for PublicUrl {
    type Err = InvalidPublicUrl;

    fn from_str(text: &str) -> Result<Self, InvalidPublicUrl> {
        let uri = fluent_uri::Uri::parse(text).map_err(|_| InvalidPublicUrl)?;
        let web = matches!(uri.scheme().as_str(), "http" | "https");
        let host = uri
            .authority()
            .is_some_and(|authority| !authority.host().is_empty() && !authority.has_userinfo());
        if web && host && !uri.has_query() && !uri.has_fragment() {
            Ok(Self(text.trim_end_matches('/').to_owned()))
        } else {
            Err(InvalidPublicUrl)
        }
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_transport_is_at_an_address_or_off() {
        assert_eq!("off".parse(), Ok(RestAddr::Off));
        assert_eq!(
            "127.0.0.1:0".parse(),
            Ok(RestAddr::On(([127, 0, 0, 1], 0).into()))
        );
        for text in ["", "on", "8080", "localhost:8080"] {
            assert_eq!(text.parse::<RestAddr>(), Err(InvalidRestAddr), "{text}");
        }
    }

    fn serving(grpc_addr: &str, rest_addr: &str) -> ServerConfig {
        ServerConfig {
            grpc_addr: grpc_addr.parse().unwrap(),
            rest_addr: rest_addr.parse().unwrap(),
            tls: None,
            allow_plaintext: false,
            public_url: None,
            redis_url: None,
            database_url: "sqlite:x".parse().unwrap(),
            database_connections: None,
            migrate: false,
            issuer: Issuer::Development {
                data_dir: PathBuf::new(),
            },
            quotas: Quotas {
                tier1_per_minute: 0,
                tier2_per_minute: 0,
            },
            call_timeout: Duration::ZERO,
            drain_delay: Duration::ZERO,
            drain_timeout: Duration::ZERO,
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
            let plain = serving(grpc, rest);
            let exposed = exposed.map(|addr| addr.parse().unwrap());
            assert_eq!(plain.exposed_plaintext(), exposed, "{grpc} {rest}");
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

    #[test]
    fn a_public_url_is_an_absolute_web_url() {
        for (text, url) in [
            ("https://api.example.com", "https://api.example.com"),
            (
                "http://api.example.com:8080/clients/",
                "http://api.example.com:8080/clients",
            ),
        ] {
            assert_eq!(text.parse::<PublicUrl>().unwrap().to_string(), url);
        }
        for text in [
            "",
            "api.example.com",
            "ftp://a",
            "https://",
            "https://a?b",
            "https://a#b",
            "https://a@b",
        ] {
            assert_eq!(text.parse::<PublicUrl>(), Err(InvalidPublicUrl), "{text}");
        }
    }
}
