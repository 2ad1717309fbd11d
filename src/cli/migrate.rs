//! `oauth-clients migrate`.

use std::{
    io::{self, Write as _},
    time::Duration,
};

use super::{
    CliError,
    args::{ConfigArgs, DataDirArgs, DatabaseArgs},
};
use crate::store::{Claim, ClaimError, DatabaseUrl, Fence, MigrationState, Store};

/// The time that the command waits for another process that uses the database before it says so.
const QUIET_WAIT: Duration = Duration::from_secs(1);

#[derive(Debug, clap::Args)]
pub(super) struct Migrate {
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    data_dir: DataDirArgs,
    #[command(flatten)]
    database: DatabaseArgs,
    /// Time for which servers may answer from memory, and for which they hold back the acknowledgement of a change: 0 to
    /// 2s, and 0 for no memory. Set it with `up` while no server runs [initially 100ms, or 0 if there are clients already].
    #[arg(long, env = "OAUTH_CLIENTS_CACHE_FENCE", value_name = "DURATION")]
    cache_fence: Option<Fence>,
    #[arg(value_enum, default_value = "up")]
    action: Action,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Action {
    /// Apply missing migrations.
    Up,
    /// List the migrations and their states.
    Status,
    /// Tell consumers that the database was restored, so that they read all clients again. Run it after a restore, before
    /// a server starts.
    RenewIncarnation,
}

impl Migrate {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let url = self.database.url(&self.data_dir)?;
        let store = match self.action {
            Action::Up => {
                let claim = claim(&url).await?;
                let store = Store::connect(&url, None).await?;
                store.migrate(&claim).await?;
                if let Some(fence) = self.cache_fence {
                    store.set_fence(fence, &claim).await?;
                }
                store
            }
            Action::RenewIncarnation => {
                let claim = claim(&url).await?;
                let store = Store::connect(&url, None).await?;
                store.migrate(&claim).await?;
                store.renew_incarnation(&claim).await?;
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

/// Claims a database, and waits for as long as another process uses it.
#[expect(clippy::print_stderr, reason = "the user learns what the command waits for")]
async fn claim(url: &DatabaseUrl) -> Result<Claim, ClaimError> {
    match Claim::acquire(url, Some(QUIET_WAIT)).await {
        Err(held @ ClaimError::Held { .. }) => {
            eprintln!("waiting: {held}");
            Claim::acquire(url, None).await
        }
        outcome => outcome,
    }
}
