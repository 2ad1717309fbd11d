//! `oauth-clients migrate`.

use std::io::{self, Write as _};

use super::{CliError, Database, Place};
use crate::store::Store;

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
        let store = Store::connect(&self.place.database_url(self.database)?).await?;
        match self.action {
            Action::Up => store.migrate().await?,
            Action::Status => {}
        }
        let mut out = io::stdout().lock();
        for (name, applied) in store.migrations().await? {
            writeln!(out, "{} {name}", if applied { "applied" } else { "missing" })?;
        }
        store.close().await;
        Ok(())
    }
}
