//! The errors of a server.

use std::{io, net::SocketAddr};

use thiserror::Error;
use tokio::task::JoinError;

use crate::{
    auth::{SourceError, dev_key::DevKeyError},
    gateway::BindingError,
    pb::PolicyError,
    store::{ClaimError, FenceError, StoreError},
    tls::TlsError,
};

/// A server cannot start, or ended early.
#[derive(Debug, Error)]
pub enum ServerError {
    /// The protos lack an option.
    #[error("the protos are incomplete")]
    Policy(#[from] &'static PolicyError),
    /// An HTTP binding of the protos is invalid.
    #[error("the protos are contradictory")]
    Binding(#[from] BindingError),
    /// The reflection service cannot be built.
    #[error("the reflection service cannot be built")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// The address is in use, or not one of this machine.
    #[error("cannot listen on {addr}")]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// The cause.
        source: io::Error,
    },
    /// A transport would speak plaintext outside loopback.
    #[error(
        "{addr} is not a loopback address and must be encrypted: use --tls-cert and --tls-key, or --allow-plaintext behind a \
         proxy or mesh that encrypts"
    )]
    Plaintext {
        /// The address.
        addr: SocketAddr,
    },
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[from] TlsError),
    /// The development key cannot be read or created.
    #[error(transparent)]
    DevKey(#[from] DevKeyError),
    /// The keys of the issuer cannot be read.
    #[error("the keys of the issuer cannot be read")]
    Keys(#[from] SourceError),
    /// The database cannot be reached, or is not suitable.
    #[error("the database {url} cannot be used")]
    Database {
        /// The URL, without user and password.
        url: String,
        /// The cause.
        source: StoreError,
    },
    /// Another process uses the database, or it cannot be locked.
    #[error("the database {url} cannot be used")]
    Claim {
        /// The URL, without user and password.
        url: String,
        /// The cause.
        source: ClaimError,
    },
    /// The fence of the database cannot be read.
    #[error("the database {url} cannot be used")]
    Fence {
        /// The URL, without user and password.
        url: String,
        /// The cause.
        source: FenceError,
    },
    /// The schema lacks migrations of this version.
    #[error(
        "the schema of {url} lacks {missing} migrations: run `oauth-clients migrate up`, or serve with --migrate"
    )]
    NotMigrated {
        /// The URL, without user and password.
        url: String,
        /// The number of missing migrations.
        missing: usize,
    },
    /// A thread cannot be started.
    #[error("a thread cannot be started")]
    Thread(#[source] io::Error),
    /// A listener failed.
    #[error("a listener failed")]
    Serve(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A listener panicked.
    #[error("a listener panicked")]
    Panicked(#[from] JoinError),
}
