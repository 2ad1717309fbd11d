//! The URL of a Redis server.

use std::{fmt, str::FromStr};

use redis::{Client, ConnectionAddr, IntoConnectionInfo as _, io::tcp::TcpSettings};
use thiserror::Error;

/// The URL of a Redis server. Its `Debug` and `Display` leave out the user and the password.
#[derive(Clone)]
pub struct RedisUrl(pub(super) Client);

/// The error for text that is not a valid Redis URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be redis://USER:PASSWORD@HOST:PORT/DATABASE, or rediss:// for TLS, or unix:///PATH")]
pub struct InvalidRedisUrl;

impl FromStr for RedisUrl {
    type Err = InvalidRedisUrl;

    fn from_str(text: &str) -> Result<Self, InvalidRedisUrl> {
        let info = text.into_connection_info().map_err(|_| InvalidRedisUrl)?;
        // The client library would take `#insecure` for "any certificate".
        if matches!(info.addr(), ConnectionAddr::TcpTls { insecure: true, .. }) {
            return Err(InvalidRedisUrl);
        }
        let info = info.set_tcp_settings(TcpSettings::default().set_nodelay(true));
        Client::open(info).map(Self).map_err(|_| InvalidRedisUrl)
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.get_connection_info().addr().fmt(f)
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_user_and_password() {
        for (url, shown) in [
            ("redis://user:secret@redis.example/3", "redis.example:6379"),
            ("rediss://:secret@redis.example:7000", "redis.example:7000"),
            ("unix:///run/redis.sock?pass=secret", "/run/redis.sock"),
        ] {
            let url: RedisUrl = url.parse().unwrap();
            assert_eq!(url.to_string(), shown);
            assert_eq!(format!("{url:?}"), format!("RedisUrl({shown})"));
        }
    }

    #[test]
    fn other_text_is_not_a_redis_url() {
        for text in [
            "",
            "redis.example:6379",
            "http://redis.example",
            "redis://",
            "redis://redis.example:port",
            "redis://redis.example/database",
            "rediss://redis.example/#insecure",
        ] {
            assert_eq!(text.parse::<RedisUrl>().err(), Some(InvalidRedisUrl), "{text}");
        }
    }
}
