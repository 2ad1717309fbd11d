//! The issuer whose bearer tokens are accepted.

use std::{path::PathBuf, time::Duration};

use crate::auth::{KeyLocation, TokenRules};

/// The default of [`ExternalIssuer::jwks_refresh`].
pub(crate) const DEFAULT_JWKS_REFRESH: Duration = Duration::from_mins(5);

/// The shortest interval at which the command line lets keys be fetched from a URL.
pub(crate) const MIN_JWKS_REFRESH: Duration = Duration::from_secs(10);

/// The issuer whose bearer tokens are accepted.
#[derive(Debug, Clone)]
pub enum Issuer {
    /// The server itself, with the development key in its data directory.
    Development {
        /// The data directory.
        data_dir: PathBuf,
    },
    /// An issuer that publishes its keys.
    External(ExternalIssuer),
}

/// An issuer that publishes its keys.
#[derive(Debug, Clone)]
pub struct ExternalIssuer {
    /// The rules for its tokens.
    pub rules: TokenRules,
    /// The location of its keys.
    pub keys: KeyLocation,
    /// The interval at which its keys are fetched from a URL. Files are read every second.
    pub jwks_refresh: Duration,
}

impl ExternalIssuer {
    /// Creates an issuer whose keys are fetched at the default interval.
    pub fn new(rules: TokenRules, keys: KeyLocation) -> Self {
        Self {
            rules,
            keys,
            jwks_refresh: DEFAULT_JWKS_REFRESH,
        }
    }
}
