//! Why a server does not start, or ends early.

use std::{io, net::SocketAddr};

use thiserror::Error;
use tokio::task::JoinError;

use crate::{
    auth::{SourceError, dev_key::DevKeyError},
    gateway::BindingError,
    pb::PolicyError,
    store::{ClaimError, StoreError},
    tls::TlsError,
};

/// Why a server does not start, or ends early.
#[derive(Debug, Error)]
pub enum ServerError {
    /// The protos do not say everything.
    #[error("the protos are incomplete")]
    Policy(#[from] &'static PolicyError),
    /// An annotation makes no sense.
    #[error("the protos are contradictory")]
    Binding(#[from] BindingError),
    /// The reflection service cannot be made.
    #[error("the descriptors cannot be served")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// The address is not free, or not this machine's.
    #[error("cannot listen on {addr}")]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// A transport would be open to other machines, and nothing encrypts what goes through it.
    #[error(
        "{addr} is outside loopback and would speak plaintext: give --tls-cert and --tls-key, or, where a proxy or a mesh \
         encrypts, --allow-plaintext"
    )]
    Plaintext {
        /// The address.
        addr: SocketAddr,
    },
    /// The TLS files cannot be used.
    #[error("TLS cannot be set up")]
    Tls(#[from] TlsError),
    /// The development key cannot be had.
    #[error(transparent)]
    DevKey(#[from] DevKeyError),
    /// The issuer's keys cannot be had.
    #[error("the keys of the issuer cannot be had")]
    Keys(#[from] SourceError),
    /// The database cannot be reached.
    #[error("the database {url} cannot be used")]
    Database {
        /// Where it is, without user and password.
        url: String,
        /// Why.
        source: StoreError,
    },
    /// Another process uses the database, or it cannot be locked.
    #[error("the database {url} cannot be used")]
    Claim {
        /// Where it is, without user and password.
        url: String,
        /// Why.
        source: ClaimError,
    },
    /// The schema lacks migrations of this version.
    #[error(
        "the schema of {url} lacks {missing} migrations: run `oauth-clients migrate up`, or serve with --migrate"
    )]
    NotMigrated {
        /// Where it is, without user and password.
        url: String,
        /// How many.
        missing: usize,
    },
    /// The operating system gives no thread.
    #[error("a thread cannot be started")]
    Thread(#[source] io::Error),
    /// A listener failed.
    #[error("a listener failed")]
    Serve(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A listener panicked.
    #[error("a listener panicked")]
    Panicked(#[from] JoinError),
}
