//! The command line: one file a subcommand. Every flag is also an environment variable, and a key of the file that
//! `--config` names; a flag wins over the environment, and that over the file.

mod file;
mod healthcheck;
mod migrate;
mod probe_tls;
mod serve;
mod tls;
mod token;

use std::{
    ffi::OsString,
    fmt,
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use thiserror::Error;

use crate::{
    auth::dev_key::DevKeyError,
    bounded::{self, OUTPUT_LIMIT},
    error_chain::error_chain,
    server::ServerError,
    store::{ClaimError, DatabaseUrl, StoreError},
    telemetry::TelemetryError,
};

/// The registry of OAuth 2.0 clients.
#[derive(Debug, Parser)]
#[command(name = "oauth-clients", version, after_help = HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const HELP: &str = "Every flag is also an environment variable (OAUTH_CLIENTS_GRPC_ADDR for --grpc-addr) and a key of the \
TOML file that --config names (grpc-addr). A flag wins over the environment, and that over the file.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the API.
    Serve(Box<serve::Serve>),
    /// Bring the database schema up to date, or show where it stands.
    Migrate(migrate::Migrate),
    /// Ask a running server whether it is ready; the exit code is the answer.
    Healthcheck(healthcheck::Healthcheck),
    /// Print a token of the development key.
    Token(token::Token),
}

/// Where things are kept.
#[derive(Debug, clap::Args)]
struct Place {
    /// A TOML file with flags as keys.
    #[arg(long, env = "OAUTH_CLIENTS_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// The directory of the SQLite file and of the development key.
    #[arg(
        long,
        env = "OAUTH_CLIENTS_DATA_DIR",
        value_name = "DIR",
        default_value = ".oauth-clients"
    )]
    data_dir: PathBuf,
}

/// Which database.
#[derive(Debug, clap::Args)]
struct Database {
    /// sqlite:PATH or postgres://USER:PASSWORD@HOST:PORT/DATABASE [default: a SQLite file in the data directory].
    #[arg(
        long,
        env = "OAUTH_CLIENTS_DATABASE_URL",
        hide_env_values = true,
        value_name = "URL"
    )]
    database_url: Option<UrlText>,
}

/// A database URL that is not read yet: an error of the argument parser would repeat it with its password.
#[derive(Clone)]
struct UrlText(String);

impl From<String> for UrlText {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for UrlText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UrlText(…)")
    }
}

/// Why a command failed.
#[derive(Debug, Error)]
enum CliError {
    #[error(transparent)]
    Usage(#[from] clap::Error),
    #[error(transparent)]
    File(#[from] file::FileError),
    #[error("{key} {rule}")]
    Key { key: &'static str, rule: &'static str },
    #[error("the data directory {path} cannot be made")]
    DataDir { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    #[error(transparent)]
    Server(#[from] ServerError),
    #[error("the database cannot be used")]
    Store(#[from] StoreError),
    #[error("the database cannot be used")]
    Claim(#[from] ClaimError),
    #[error(transparent)]
    DevKey(#[from] DevKeyError),
    #[error("not ready: {0}")]
    NotReady(&'static str),
    #[error("TLS cannot be spoken to the server")]
    ProbeTls(#[from] probe_tls::ProbeTlsError),
    #[error("standard output cannot be written")]
    Output(#[from] io::Error),
}

/// Runs the command that the arguments say.
pub async fn run(args: Vec<OsString>) -> ExitCode {
    match parse_and_run(args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(CliError::Usage(error)) => {
            let code = u8::try_from(error.exit_code()).unwrap_or(2);
            // Help and version come this way too, with the code 0, but may be read at leisure.
            if error.use_stderr() {
                report(move || error.print());
            } else {
                let _printed = error.print();
            }
            ExitCode::from(code)
        }
        Err(error) => {
            let text = error_chain(&error);
            report(move || writeln!(io::stderr(), "error: {text}"));
            ExitCode::FAILURE
        }
    }
}

/// Prints why a command failed. When that cannot be printed, or nobody reads it, the process ends all the same.
fn report(print: impl FnOnce() -> io::Result<()> + Send + 'static) {
    let _printed = bounded::within(OUTPUT_LIMIT, print);
}

async fn parse_and_run(args: Vec<OsString>) -> Result<(), CliError> {
    match parse(args)?.command {
        Command::Serve(serve) => serve.run().await,
        Command::Migrate(migrate) => migrate.run().await,
        Command::Healthcheck(healthcheck) => healthcheck.run().await,
        Command::Token(token) => token.run(),
    }
}

/// Parses the arguments twice: first to learn of the file, then with its values as the defaults.
fn parse(args: Vec<OsString>) -> Result<Cli, CliError> {
    // What is missing or wrong may be mended by the file.
    let matches = Cli::command()
        .ignore_errors(true)
        .try_get_matches_from(args.clone());
    let file = matches.ok().and_then(|matches| {
        let (_, matches) = matches.subcommand()?;
        matches.get_one::<PathBuf>("config").cloned()
    });
    let command = match file {
        Some(path) => file::with_defaults(Cli::command(), &path)?,
        None => Cli::command(),
    };
    Ok(Cli::from_arg_matches(&command.try_get_matches_from(args)?)?)
}

impl Place {
    /// The database that is said, or the SQLite file of the data directory, which is made when it is missing.
    fn database_url(&self, database: Database) -> Result<DatabaseUrl, CliError> {
        if let Some(UrlText(url)) = database.database_url {
            let rule = "must be sqlite:PATH or postgres://USER:PASSWORD@HOST:PORT/DATABASE";
            return url.parse().map_err(|_| CliError::Key {
                key: "--database-url",
                rule,
            });
        }
        std::fs::create_dir_all(&self.data_dir).map_err(|source| CliError::DataDir {
            path: self.data_dir.clone(),
            source,
        })?;
        Ok(DatabaseUrl::sqlite_file(&self.data_dir.join("oauth-clients.db")))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_flag_is_an_environment_variable() {
        for command in Cli::command().get_subcommands() {
            for arg in command
                .get_arguments()
                .filter(|arg| arg.get_long().is_some_and(|name| name != "help"))
            {
                let name = arg.get_long().unwrap().to_uppercase().replace('-', "_");
                let env = arg.get_env().map(|env| env.to_string_lossy().into_owned());
                assert_eq!(env, Some(format!("OAUTH_CLIENTS_{name}")));
            }
        }
    }

    fn serve(config: &str, args: &[&str]) -> Result<Box<serve::Serve>, CliError> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(config.as_bytes()).unwrap();
        let path = file.path().to_str().unwrap();
        let args = ["oauth-clients", "serve", "--config", path]
            .into_iter()
            .chain(args.iter().copied());
        match parse(args.map(OsString::from).collect())?.command {
            Command::Serve(serve) => Ok(serve),
            _ => unreachable!(),
        }
    }

    #[test]
    fn a_flag_wins_over_the_file_and_the_file_over_the_default() {
        let config = "grpc-addr = \"127.0.0.1:1\"\nrest_addr = \"off\"\ndev = true\ntier1-per-minute = 5\n";
        let said = serve(config, &["--grpc-addr", "127.0.0.1:2"]).unwrap();
        let shown = format!("{said:?}");
        for part in [
            "grpc_addr: 127.0.0.1:2",
            "rest_addr: Off",
            "dev: true",
            "tier1_per_minute: 5",
            "tier2_per_minute: 100",
        ] {
            assert!(shown.contains(part), "{part} {shown}");
        }
    }

    #[test]
    fn a_wrong_key_or_value_is_named() {
        for (config, part) in [
            ("grpc-address = \"127.0.0.1:1\"", "grpc-address"),
            ("grpc-addr = \"here\"", "--grpc-addr"),
            ("rest-addr = \"on\"", "or off"),
            ("tier1-per-minute = -1", "--tier1-per-minute"),
            ("dev = [true]", "dev"),
            ("dev = ", "config"),
        ] {
            let error = serve(config, &[]).unwrap_err();
            assert!(format!("{error} {error:?}").contains(part), "{config}: {error}");
        }
    }

    #[test]
    fn the_file_may_say_how_the_transports_are_encrypted() {
        let config = "tls-cert = \"c\"\ntls-key = \"k\"\ntls-client-ca = \"a\"\nallow-plaintext = true";
        let args = ["--dev", "--database-url", "sqlite:x"];
        let config = serve(config, &args).unwrap().config().unwrap();
        let tls = config.tls.unwrap();
        assert_eq!(
            [Some(tls.cert), Some(tls.key), tls.client_ca],
            ["c", "k", "a"].map(|path| Some(PathBuf::from(path)))
        );
        assert!(config.allow_plaintext);
        let plain = serve("", &args).unwrap().config().unwrap();
        assert_eq!((plain.tls, plain.allow_plaintext), (None, false));
    }

    #[test]
    fn the_file_may_say_what_is_required() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"tenant = \"a\"\nsubject = \"b\"\n").unwrap();
        let args = [
            "oauth-clients",
            "token",
            "--config",
            file.path().to_str().unwrap(),
        ];
        let parsed = parse(args.map(OsString::from).to_vec());
        assert!(matches!(
            parsed,
            Ok(Cli {
                command: Command::Token(_)
            })
        ));
    }

    #[test]
    fn a_wrong_database_url_is_named_and_not_repeated() {
        let said = serve(
            "database-url = \"postgres://user:secret@host:port/db\"",
            &["--dev"],
        )
        .unwrap();
        let shown = format!("{said:?}");
        let error = format!("{:?} {shown}", said.config().unwrap_err());
        assert!(
            error.contains("--database-url") && !error.contains("secret"),
            "{error}"
        );
        let broken = serve("database-url = \"postgres://user:secret@host/db", &[]).unwrap_err();
        assert!(!broken.to_string().contains("secret"), "{broken}");
    }
}
