//! The supported types of keys and their algorithms.

use super::super::closed_set::{closed_set, one_of};

closed_set! {
    /// A `kty` (RFC 7518 section 6.1).
    pub(super) enum KeyType {
        Rsa = "RSA",
        Ec = "EC",
    }
}

impl KeyType {
    /// Returns the values of `alg` that are supported with the type (RFC 7518 section 3.1).
    pub(super) const fn algorithms(self) -> &'static [&'static str] {
        match self {
            Self::Rsa => &["RS256", "RS512"],
            Self::Ec => &["ES384"],
        }
    }

    /// Lists the algorithms of every type for an error text.
    pub(super) fn list_algorithms() -> String {
        Self::ALL
            .map(|key_type| format!("{} with kty {key_type}", one_of(key_type.algorithms())))
            .join(", or ")
    }
}
