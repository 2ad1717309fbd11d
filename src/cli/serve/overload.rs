//! The flags of the limits on work at the database.

use std::num::NonZeroU32;

use crate::store::WorkLimits;

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Overload")]
pub(super) struct OverloadArgs {
    /// Maximum number of reads of one client that are at the database at a time.
    #[arg(
        long,
        env = "OAUTH_CLIENTS_MAX_READS_IN_FLIGHT",
        value_name = "N",
        default_value_t = WorkLimits::default().reads
    )]
    max_reads_in_flight: NonZeroU32,
    /// Maximum number of lists that are at the database at a time.
    #[arg(
        long,
        env = "OAUTH_CLIENTS_MAX_LISTS_IN_FLIGHT",
        value_name = "N",
        default_value_t = WorkLimits::default().lists
    )]
    max_lists_in_flight: NonZeroU32,
    /// Maximum number of changes that are at the database at a time.
    #[arg(
        long,
        env = "OAUTH_CLIENTS_MAX_CHANGES_IN_FLIGHT",
        value_name = "N",
        default_value_t = WorkLimits::default().changes
    )]
    max_changes_in_flight: NonZeroU32,
    /// Maximum time that a request over such a limit waits before it is refused as unavailable.
    #[arg(
        long,
        env = "OAUTH_CLIENTS_QUEUE_TIME",
        value_name = "DURATION",
        default_value_t = WorkLimits::default().queue_time.into()
    )]
    queue_time: humantime::Duration,
}

impl OverloadArgs {
    pub(super) fn limits(&self) -> WorkLimits {
        WorkLimits {
            reads: self.max_reads_in_flight,
            lists: self.max_lists_in_flight,
            changes: self.max_changes_in_flight,
            queue_time: self.queue_time.into(),
        }
    }
}
