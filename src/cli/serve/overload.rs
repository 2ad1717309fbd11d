//! The flags of overload.

use std::time::Duration;

use crate::{cli::FlagError, store::DEFAULT_QUEUE_TIME};

/// The longest queue time. Requests that wait longer have no time left for the database.
const MAX_QUEUE_TIME: Duration = Duration::from_secs(5);

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Overload")]
pub(super) struct OverloadArgs {
    /// Maximum time, up to 5s, that a request waits for its turn at the database before it is refused as unavailable.
    #[arg(
        long,
        env = "OAUTH_CLIENTS_QUEUE_TIME",
        value_name = "DURATION",
        default_value_t = DEFAULT_QUEUE_TIME.into()
    )]
    queue_time: humantime::Duration,
}

impl OverloadArgs {
    pub(super) fn queue_time(&self) -> Result<Duration, FlagError> {
        let queue_time = self.queue_time.into();
        if queue_time > MAX_QUEUE_TIME {
            return Err(FlagError::QueueTime);
        }
        Ok(queue_time)
    }
}
