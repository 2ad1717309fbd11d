//! The errors of commands.

use std::{error::Error, io, path::PathBuf};

use thiserror::Error;

use super::{config_file::ConfigFileError, healthcheck::NotReady};
use crate::{
    auth::dev_key::DevKeyError,
    config::{MAX_ASSERTION_LIFETIMES, MIN_CHANGE_RETENTION, MIN_JWKS_REFRESH, MIN_MAX_CONNECTION_AGE},
    server::ServerError,
    store::{ClaimError, FenceError, StoreError},
    telemetry::TelemetryError,
    tls::TlsError,
};

/// A command failed.
#[derive(Debug, Error)]
pub(super) enum CliError {
    #[error(transparent)]
    Usage(#[from] clap::Error),
    #[error(transparent)]
    ConfigFile(#[from] ConfigFileError),
    #[error(transparent)]
    Flag(#[from] FlagError),
    #[error("the data directory {path} cannot be created")]
    DataDir { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    #[error(transparent)]
    Server(#[from] ServerError),
    #[error("the database cannot be used")]
    Store(#[from] StoreError),
    #[error("the database cannot be used")]
    Fence(#[from] FenceError),
    #[error("the database cannot be used")]
    Claim(#[from] ClaimError),
    #[error(transparent)]
    DevKey(#[from] DevKeyError),
    #[error("not ready")]
    NotReady(#[from] NotReady),
    #[error("TLS cannot be set up")]
    Tls(#[from] TlsError),
    #[error("standard output cannot be written")]
    Output(#[from] io::Error),
}

/// A flag has an invalid value, is missing, or contradicts another.
#[derive(Debug, Error)]
pub(super) enum FlagError {
    #[error("invalid value for {flag}")]
    Invalid {
        flag: &'static str,
        source: Box<dyn Error + Send + Sync>,
    },
    #[error("{flag} is required with {given}")]
    RequiredWith { flag: &'static str, given: &'static str },
    #[error("{flag} is required without --dev")]
    RequiredWithoutDev { flag: &'static str },
    #[error("--jwks-file or --jwks-url is required without --dev")]
    KeysRequired,
    #[error("--jwks-file and --jwks-url cannot both be given")]
    KeysGivenTwice,
    #[error(
        "--jwks-refresh must be {} or more",
        humantime::format_duration(MIN_JWKS_REFRESH)
    )]
    JwksRefresh,
    #[error(
        "--max-assertion-lifetime must be {} to {}",
        humantime::format_duration(*MAX_ASSERTION_LIFETIMES.start()),
        humantime::format_duration(*MAX_ASSERTION_LIFETIMES.end())
    )]
    MaxAssertionLifetime,
    #[error(
        "--max-connection-age must be {} or more",
        humantime::format_duration(MIN_MAX_CONNECTION_AGE)
    )]
    MaxConnectionAge,
    #[error("--queue-time must be 5s or less")]
    QueueTime,
    #[error(
        "--change-retention must be {} or more",
        humantime::format_duration(MIN_CHANGE_RETENTION)
    )]
    ChangeRetention,
    #[error(
        "--dev accepts only tokens of its own key: --issuer, --audience, --jwks-file and --jwks-url cannot be given"
    )]
    DevIssuer,
    #[error(
        "--dev is for this machine only: --grpc-addr, --rest-addr and --metrics-addr must be loopback addresses"
    )]
    DevAddr,
}

impl FlagError {
    /// Returns a function that makes the error of an invalid value out of its cause.
    pub(super) fn invalid<E: Error + Send + Sync + 'static>(flag: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::Invalid {
            flag,
            source: Box::new(source),
        }
    }
}
