//! `oauth-clients migrate`.

use std::{
    io::{self, Write as _},
    time::Duration,
};

use super::{CliError, Database, Place};
use crate::store::{Claim, ClaimError, DatabaseUrl, MigrationState, Store};

/// How long the command waits in silence for another process that uses the database.
const SILENCE: Duration = Duration::from_secs(1);

#[derive(Debug, clap::Args)]
pub(super) struct Migrate {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    database: Database,
    #[arg(value_enum, default_value = "up")]
    action: Action,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Action {
    /// Apply the migrations that are missing.
    Up,
    /// List the migrations, and whether each is applied.
    Status,
}

impl Migrate {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let url = self.place.database_url(&self.database)?;
        let store = match self.action {
            Action::Up => {
                let claim = claim(&url).await?;
                let store = Store::connect(&url, None).await?;
                store.migrate(&claim).await?;
                store
            }
            Action::Status => Store::connect(&url, None).await?,
        };
        let schema = store.schema().await?;
        let mut out = io::stdout().lock();
        for (name, state) in &schema.migrations {
            writeln!(out, "{} {name}", state.as_str())?;
        }
        if schema.count(MigrationState::Newer) > 0 {
            writeln!(
                out,
                "the schema is newer than this version of oauth-clients, which works with it all the same"
            )?;
        }
        store.close().await;
        Ok(())
    }
}

/// Claims a database, however long another process has it.
#[expect(clippy::print_stderr, reason = "whoever waits is told why")]
async fn claim(url: &DatabaseUrl) -> Result<Claim, ClaimError> {
    match Claim::acquire(url, Some(SILENCE)).await {
        Err(held @ ClaimError::Held { .. }) => {
            eprintln!("waiting: {held}");
            Claim::acquire(url, None).await
        }
        outcome => outcome,
    }
}
