//! What can be configured, typed and checked. The command line makes it, of flags, environment and file.

use std::{fmt, net::SocketAddr, path::PathBuf, str::FromStr, time::Duration};

use thiserror::Error;

use crate::{
    limits::{Quotas, RedisUrl},
    store::DatabaseUrl,
};

/// How to run a server.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Where the gRPC door listens.
    pub grpc_addr: SocketAddr,
    /// Where the REST door listens, if it is open.
    pub rest_addr: RestAddr,
    /// What the links in answers begin with. Nothing means `http://` and the address of the REST door.
    pub public_url: Option<PublicUrl>,
    /// Where the clients are kept.
    pub database_url: DatabaseUrl,
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
        /// Its keys.
        jwks_file: PathBuf,
        /// The claim of its tokens that holds the tenant.
        tenant_claim: String,
    },
}

/// Where the REST door listens.
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
    fn the_rest_door_is_at_an_address_or_off() {
        assert_eq!("off".parse(), Ok(RestAddr::Off));
        assert_eq!(
            "127.0.0.1:0".parse(),
            Ok(RestAddr::On(([127, 0, 0, 1], 0).into()))
        );
        for text in ["", "on", "8080", "localhost:8080"] {
            assert_eq!(text.parse::<RestAddr>(), Err(InvalidRestAddr), "{text}");
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
