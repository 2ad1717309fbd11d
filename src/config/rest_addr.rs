//! The address of the REST transport.

use std::{fmt, net::SocketAddr, str::FromStr};

use thiserror::Error;

/// The address that the REST transport listens on, or `off`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestAddr {
    /// The transport listens on this address.
    On(SocketAddr),
    /// The transport is closed.
    Off,
}

/// A text is neither an address nor `off`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be an IP address and a port, such as 127.0.0.1:8080, or off")]
pub struct InvalidRestAddr;

impl RestAddr {
    /// Returns the address, or `None` if the transport is closed.
    pub fn addr(self) -> Option<SocketAddr> {
        match self {
            Self::On(addr) => Some(addr),
            Self::Off => None,
        }
    }
}

impl FromStr for RestAddr {
    type Err = InvalidRestAddr;

    fn from_str(text: &str) -> Result<Self, InvalidRestAddr> {
        match text {
            "off" => Ok(Self::Off),
            _ => text.parse().map(Self::On).map_err(|_| InvalidRestAddr),
        }
    }
}

impl fmt::Display for RestAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::On(addr) => addr.fmt(f),
            Self::Off => f.write_str("off"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_transport_is_at_an_address_or_off() {
        for (text, addr) in [
            ("off", RestAddr::Off),
            ("127.0.0.1:0", RestAddr::On(([127, 0, 0, 1], 0).into())),
        ] {
            assert_eq!(text.parse(), Ok(addr));
            assert_eq!(addr.to_string(), text);
        }
        for text in ["", "on", "8080", "localhost:8080"] {
            assert_eq!(text.parse::<RestAddr>(), Err(InvalidRestAddr), "{text}");
        }
    }
}
