//! The flags of change records.

use std::time::Duration;

use crate::{
    cli::FlagError,
    config::{DEFAULT_CHANGE_RETENTION, MIN_CHANGE_RETENTION},
};

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Database")]
pub(super) struct ChangeArgs {
    /// Time for which records of changes are kept, 24h or more.
    #[arg(
        long,
        env = "OAUTH_CLIENTS_CHANGE_RETENTION",
        value_name = "DURATION",
        default_value_t = DEFAULT_CHANGE_RETENTION.into()
    )]
    change_retention: humantime::Duration,
}

impl ChangeArgs {
    pub(super) fn retention(&self) -> Result<Duration, FlagError> {
        let retention = self.change_retention.into();
        if retention < MIN_CHANGE_RETENTION {
            Err(FlagError::ChangeRetention)
        } else {
            Ok(retention)
        }
    }
}
