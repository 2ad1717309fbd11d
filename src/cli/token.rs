//! `oauth-clients token`.

use std::io::{self, Write as _};

use super::{CliError, Place};
use crate::{
    auth::dev_key::{DevKey, DevToken, all_scopes},
    domain::ids::{Subject, TenantId},
};

#[derive(Debug, clap::Args)]
pub(super) struct Token {
    #[command(flatten)]
    place: Place,
    /// The tenant of the token.
    #[arg(long, env = "OAUTH_CLIENTS_TENANT", value_name = "T")]
    tenant: String,
    /// The subject of the token: who calls.
    #[arg(long, env = "OAUTH_CLIENTS_SUBJECT", value_name = "S")]
    subject: String,
    /// The scopes of the token, separated by spaces.
    #[arg(long, env = "OAUTH_CLIENTS_SCOPE", value_name = "SCOPES", default_value = all_scopes())]
    scope: String,
    /// How long the token is valid.
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
        let rule = "must be 1 to 255 characters without control characters";
        TenantId::parse(&self.tenant).map_err(|_| CliError::Key {
            key: "--tenant",
            rule,
        })?;
        Subject::parse(&self.subject).map_err(|_| CliError::Key {
            key: "--subject",
            rule,
        })?;
        let token = DevKey::load_or_create(&self.place.data_dir)?.sign(&DevToken {
            tenant: &self.tenant,
            subject: &self.subject,
            scope: &self.scope,
            lifetime: self.ttl.into(),
        })?;
        Ok(writeln!(io::stdout(), "{token}")?)
    }
}
