//! The flags of connections.

use std::num::NonZeroUsize;

use crate::{
    cli::FlagError,
    config::{ConnectionLimits, DEFAULT_MAX_CONNECTION_AGE, MIN_MAX_CONNECTION_AGE},
};

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Connections")]
pub(super) struct ConnectionArgs {
    /// Maximum number of open connections, over both transports [default: 90 % of the file descriptors]. Beyond it only
    /// probes are served.
    #[arg(long, env = "OAUTH_CLIENTS_MAX_CONNECTIONS", value_name = "N")]
    max_connections: Option<NonZeroUsize>,
    /// Age, from 1m, at which a connection takes no more requests. Each has one up to 10 % shorter or longer.
    #[arg(
        long,
        env = "OAUTH_CLIENTS_MAX_CONNECTION_AGE",
        value_name = "DURATION",
        default_value_t = DEFAULT_MAX_CONNECTION_AGE.into()
    )]
    max_connection_age: humantime::Duration,
}

impl ConnectionArgs {
    pub(super) fn limits(&self) -> Result<ConnectionLimits, FlagError> {
        let max_age = self.max_connection_age.into();
        if max_age < MIN_MAX_CONNECTION_AGE {
            return Err(FlagError::MaxConnectionAge);
        }
        Ok(ConnectionLimits {
            max_open: self.max_connections,
            max_age,
            ..ConnectionLimits::default()
        })
    }
}
