//! `oauth-clients token`.

use std::io::{self, Write as _};

use super::{
    CliError, FlagError,
    args::{ConfigArgs, DataDirArgs},
};
use crate::{
    auth::dev_key::{DevKey, DevToken, all_scopes},
    domain::ids::{Subject, TenantId},
};

#[derive(Debug, clap::Args)]
pub(super) struct Token {
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    data_dir: DataDirArgs,
    /// Tenant of the token.
    #[arg(long, env = "OAUTH_CLIENTS_TENANT", value_name = "T")]
    tenant: String,
    /// Subject of the token, which identifies its caller.
    #[arg(long, env = "OAUTH_CLIENTS_SUBJECT", value_name = "S")]
    subject: String,
    /// Scopes of the token, separated by spaces.
    #[arg(long, env = "OAUTH_CLIENTS_SCOPE", value_name = "SCOPES", default_value = all_scopes())]
    scope: String,
    /// Lifetime of the token.
    #[arg(
        long,
        env = "OAUTH_CLIENTS_TTL",
        value_name = "DURATION",
        default_value = "1h"
    )]
    ttl: humantime::Duration,
}

impl Token {
    pub(super) fn run(self) -> Result<(), CliError> {
        TenantId::parse(&self.tenant).map_err(FlagError::invalid("--tenant"))?;
        Subject::parse(&self.subject).map_err(FlagError::invalid("--subject"))?;
        let token = DevKey::load_or_create(&self.data_dir.data_dir)?.sign(&DevToken {
            tenant: &self.tenant,
            subject: &self.subject,
            scope: &self.scope,
            lifetime: self.ttl.into(),
        })?;
        Ok(writeln!(io::stdout(), "{token}")?)
    }
}
