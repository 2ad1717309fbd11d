//! The flags of rate limits.

use crate::{
    cli::{FlagError, args::UnparsedUrl},
    limits::{MAX_PER_MINUTE, Quotas, RedisUrl},
};

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Rate limits")]
pub(super) struct RateLimitArgs {
    /// Reads that one caller may make per minute; 0 for any number.
    #[arg(
        long,
        env = "OAUTH_CLIENTS_TIER1_PER_MINUTE",
        value_name = "N",
        default_value_t = Quotas::default().tier1_per_minute,
        value_parser = clap::value_parser!(u32).range(..=i64::from(MAX_PER_MINUTE))
    )]
    tier1_per_minute: u32,
    /// Changes that one caller may make per minute; 0 for any number.
    #[arg(
        long,
        env = "OAUTH_CLIENTS_TIER2_PER_MINUTE",
        value_name = "N",
        default_value_t = Quotas::default().tier2_per_minute,
        value_parser = clap::value_parser!(u32).range(..=i64::from(MAX_PER_MINUTE))
    )]
    tier2_per_minute: u32,
    /// redis://USER:PASSWORD@HOST:PORT/DATABASE, through which replicas share the limits; rediss:// for TLS.
    #[arg(
        long,
        env = "OAUTH_CLIENTS_REDIS_URL",
        hide_env_values = true,
        value_name = "URL"
    )]
    redis_url: Option<UnparsedUrl>,
}

impl RateLimitArgs {
    pub(super) fn quotas(&self) -> Quotas {
        Quotas {
            tier1_per_minute: self.tier1_per_minute,
            tier2_per_minute: self.tier2_per_minute,
        }
    }

    pub(super) fn redis_url(&self) -> Result<Option<RedisUrl>, FlagError> {
        let url = self.redis_url.as_ref();
        url.map(|url| url.parse("--redis-url")).transpose()
    }
}
