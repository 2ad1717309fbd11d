//! Arguments that several commands share.

use std::{error::Error, fmt, path::PathBuf, str::FromStr};

use super::{CliError, FlagError};
use crate::{io::private, store::DatabaseUrl};

/// The name of the default SQLite file in the data directory.
const DATABASE_FILE: &str = "oauth-clients.db";

#[derive(Debug, clap::Args)]
pub(super) struct ConfigArgs {
    /// TOML file with flags as keys.
    #[arg(long, env = "OAUTH_CLIENTS_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(super) struct DataDirArgs {
    /// Directory of the SQLite file and of the development key.
    #[arg(
        long,
        env = "OAUTH_CLIENTS_DATA_DIR",
        value_name = "DIR",
        default_value = ".oauth-clients"
    )]
    pub(super) data_dir: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(super) struct DatabaseArgs {
    /// sqlite:PATH or postgres://USER:PASSWORD@HOST:PORT/DATABASE [default: a SQLite file in the data directory].
    #[arg(
        long,
        env = "OAUTH_CLIENTS_DATABASE_URL",
        hide_env_values = true,
        value_name = "URL"
    )]
    database_url: Option<UnparsedUrl>,
}

impl DatabaseArgs {
    /// Returns the URL of the database. The data directory is created if the database is in it.
    pub(super) fn url(&self, data_dir: &DataDirArgs) -> Result<DatabaseUrl, CliError> {
        if let Some(url) = &self.database_url {
            return Ok(url.parse("--database-url")?);
        }
        let path = &data_dir.data_dir;
        private::create_dir(path).map_err(|source| CliError::DataDir {
            path: path.clone(),
            source,
        })?;
        Ok(DatabaseUrl::sqlite_file(&path.join(DATABASE_FILE)))
    }
}

/// A URL that may hold a password. It is parsed after the command line, as clap's errors repeat values.
#[derive(Clone)]
pub(super) struct UnparsedUrl(String);

impl UnparsedUrl {
    pub(super) fn parse<T>(&self, flag: &'static str) -> Result<T, FlagError>
    where
        T: FromStr<Err: Error + Send + Sync + 'static>,
    {
        self.0.parse().map_err(FlagError::invalid(flag))
    }
}

impl From<String> for UnparsedUrl {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for UnparsedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UnparsedUrl(…)")
    }
}
