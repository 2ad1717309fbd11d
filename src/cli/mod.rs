//! The command line: one file per command. Every flag is also an environment variable and a key of the file that
//! `--config` names. A flag takes precedence over the environment, and the environment over the file.

mod args;
mod config_file;
mod error;
mod healthcheck;
mod migrate;
mod serve;
mod token;

use std::{
    env,
    ffi::OsString,
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand, builder::Resettable};

use self::error::{CliError, FlagError};
use crate::{
    error_chain::error_chain,
    io::bounded::{self, OUTPUT_LIMIT},
};

/// A registry of OAuth 2.0 clients.
#[derive(Debug, Parser)]
#[command(name = "oauth-clients", version, after_help = PRECEDENCE)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const PRECEDENCE: &str = "Every flag is also an environment variable (OAUTH_CLIENTS_GRPC_ADDR for --grpc-addr) and a key \
of the TOML file that --config names (grpc-addr). A flag takes precedence over the environment, and the environment over \
the file.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the API.
    Serve(Box<serve::Serve>),
    /// Migrate the database schema, or show its state.
    Migrate(migrate::Migrate),
    /// Check whether a running server is ready: the exit code is 0 if it is.
    Healthcheck(healthcheck::Healthcheck),
    /// Print a token that is signed with the development key.
    Token(token::Token),
}

/// Runs the command that the arguments name.
pub async fn run(args: Vec<OsString>) -> ExitCode {
    match Box::pin(parse_and_run(args)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(CliError::Usage(error)) => {
            let code = u8::try_from(error.exit_code()).unwrap_or(2);
            // Help and version come here too, with the code 0. Their reader, such as a pager, may take its time.
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

/// Prints the error of a command. If it cannot be printed, or is not read, the process ends all the same.
fn report(print: impl FnOnce() -> io::Result<()> + Send + 'static) {
    let _printed = bounded::within(OUTPUT_LIMIT, print);
}

async fn parse_and_run(args: Vec<OsString>) -> Result<(), CliError> {
    match parse(args)?.command {
        Command::Serve(serve) => Box::pin(serve.run()).await,
        Command::Migrate(migrate) => migrate.run().await,
        Command::Healthcheck(healthcheck) => healthcheck.run().await,
        Command::Token(token) => token.run(),
    }
}

/// Returns the command line. An environment variable that is empty counts as not set, as deployment tools often cannot leave
/// one out.
fn command() -> clap::Command {
    Cli::command().mut_subcommands(|command| {
        command.mut_args(|arg| {
            let value = arg.get_env().and_then(env::var_os);
            if value.is_some_and(|value| value.is_empty()) {
                arg.env(Resettable::Reset)
            } else {
                arg
            }
        })
    })
}

/// Parses the arguments twice: first for the name of the file, then with the file's values as defaults.
fn parse(args: Vec<OsString>) -> Result<Cli, CliError> {
    // The file may supply what is missing.
    let matches = command().ignore_errors(true).try_get_matches_from(args.clone());
    let file = matches.ok().and_then(|matches| {
        let (_, matches) = matches.subcommand()?;
        matches.get_one::<PathBuf>("config").cloned()
    });
    let command = match file {
        Some(path) => config_file::with_defaults(command(), &path)?,
        None => command(),
    };
    Ok(Cli::from_arg_matches(&command.try_get_matches_from(args)?)?)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::{
        auth::{KeyLocation, TokenRules},
        config::{ExternalIssuer, Issuer, ServerConfig},
    };

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

    #[test]
    fn the_defaults_of_the_flags_are_those_of_a_configuration() {
        let args = ["--dev", "--data-dir", "d", "--database-url", "sqlite:x"];
        let config = serve("", &args).unwrap().config().unwrap();
        let data_dir = PathBuf::from("d");
        let expected = ServerConfig::new("sqlite:x".parse().unwrap(), Issuer::Development { data_dir });
        assert_eq!(format!("{config:?}"), format!("{expected:?}"));
        let args = [
            "--issuer",
            "i",
            "--audience",
            "a",
            "--jwks-file",
            "k",
            "--database-url",
            "sqlite:x",
        ];
        let config = serve("", &args).unwrap().config().unwrap();
        let issuer = ExternalIssuer::new(TokenRules::new("i", "a"), KeyLocation::File("k".into()));
        let expected = ServerConfig::new("sqlite:x".parse().unwrap(), Issuer::External(issuer));
        assert_eq!(format!("{config:?}"), format!("{expected:?}"));
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
    fn a_flag_takes_precedence_over_the_file_and_the_file_over_the_default() {
        let config = "grpc-addr = \"127.0.0.1:1\"\nrest_addr = \"off\"\ndev = true\ntier1-per-minute = 5\n";
        let parsed = serve(config, &["--grpc-addr", "127.0.0.1:2"]).unwrap();
        let shown = format!("{parsed:?}");
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
    fn an_unknown_key_or_invalid_value_is_named() {
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
    fn the_file_may_set_tls() {
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
    fn the_file_may_set_required_flags() {
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
    fn the_error_of_an_invalid_database_url_names_the_flag_and_not_the_url() {
        let parsed = serve(
            "database-url = \"postgres://user:secret@host:port/db\"",
            &["--dev"],
        )
        .unwrap();
        let shown = format!("{parsed:?}");
        let error = format!("{:?} {shown}", parsed.config().unwrap_err());
        assert!(
            error.contains("--database-url") && !error.contains("secret"),
            "{error}"
        );
        let broken = serve("database-url = \"postgres://user:secret@host/db", &[]).unwrap_err();
        assert!(!broken.to_string().contains("secret"), "{broken}");
    }
}
