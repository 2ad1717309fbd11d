//! The configuration file. Its values become the defaults of the flags of the same names.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use clap::Command;
use thiserror::Error;
use toml::{Table, Value};

/// A configuration file cannot be used.
#[derive(Debug, Error)]
pub(super) enum ConfigFileError {
    #[error("the config file {path} cannot be read")]
    Read { path: PathBuf, source: io::Error },
    /// The text of the parser's error would repeat the line, which may hold a password.
    #[error("the config file {path} is not TOML: {}", error.message())]
    Parse { path: PathBuf, error: toml::de::Error },
    #[error("the config file has an unknown key {key}; allowed are {allowed}")]
    UnknownKey { key: String, allowed: String },
    #[error("the key {key} of the config file must be a string, an integer, true or false")]
    Type { key: String },
}

/// Returns the command with the values of a file as the defaults of its subcommands.
pub(super) fn with_defaults(mut command: Command, path: &Path) -> Result<Command, ConfigFileError> {
    let text = fs::read_to_string(path).map_err(|source| ConfigFileError::Read {
        path: path.to_owned(),
        source,
    })?;
    let table: Table = toml::from_str(&text).map_err(|error| ConfigFileError::Parse {
        path: path.to_owned(),
        error,
    })?;
    let names = flags(&command);
    for (key, value) in table {
        let name = key.replace('_', "-");
        if !names.contains(&name) {
            let allowed: Vec<&str> = names.iter().map(String::as_str).collect();
            return Err(ConfigFileError::UnknownKey {
                key,
                allowed: allowed.join(", "),
            });
        }
        let text = match value {
            Value::String(text) => text,
            Value::Integer(number) => number.to_string(),
            Value::Boolean(flag) => flag.to_string(),
            Value::Float(_) | Value::Datetime(_) | Value::Array(_) | Value::Table(_) => {
                return Err(ConfigFileError::Type { key });
            }
        };
        command = command.mut_subcommands(|subcommand| {
            subcommand.mut_args(|arg| {
                if arg.get_long() == Some(&name) {
                    arg.default_value(text.clone()).required(false)
                } else {
                    arg
                }
            })
        });
    }
    Ok(command)
}

/// Returns the flags of all subcommands, as one file may serve them all.
fn flags(command: &Command) -> BTreeSet<String> {
    command
        .get_subcommands()
        .flat_map(Command::get_arguments)
        .filter_map(|arg| arg.get_long())
        .filter(|name| !matches!(*name, "config" | "help"))
        .map(str::to_owned)
        .collect()
}
