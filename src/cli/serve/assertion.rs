//! The flags of client authentication.

use std::time::Duration;

use crate::{
    cli::FlagError,
    config::{DEFAULT_MAX_ASSERTION_LIFETIME, MAX_ASSERTION_LIFETIMES},
};

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Client authentication")]
pub(super) struct AssertionArgs {
    /// Maximum time until an assertion of a client expires, from 1m to 1h.
    #[arg(
        long,
        env = "OAUTH_CLIENTS_MAX_ASSERTION_LIFETIME",
        value_name = "DURATION",
        default_value_t = DEFAULT_MAX_ASSERTION_LIFETIME.into()
    )]
    max_assertion_lifetime: humantime::Duration,
}

impl AssertionArgs {
    pub(super) fn max_lifetime(&self) -> Result<Duration, FlagError> {
        let lifetime = self.max_assertion_lifetime.into();
        if MAX_ASSERTION_LIFETIMES.contains(&lifetime) {
            Ok(lifetime)
        } else {
            Err(FlagError::MaxAssertionLifetime)
        }
    }
}
