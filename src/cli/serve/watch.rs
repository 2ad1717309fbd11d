//! The flag of streams of changes.

use crate::config::DEFAULT_WATCH_STREAMS;

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Rate limits")]
pub(super) struct WatchArgs {
    /// Streams of changes that one subject may have at a time on this server.
    #[arg(
        long,
        env = "OAUTH_CLIENTS_WATCH_STREAMS",
        value_name = "N",
        default_value_t = DEFAULT_WATCH_STREAMS,
        value_parser = clap::value_parser!(u32).range(1..=10_000)
    )]
    pub(super) watch_streams: u32,
}
