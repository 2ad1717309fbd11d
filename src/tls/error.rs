//! Errors of TLS and its files.

use std::path::PathBuf;

use rustls::server::VerifierBuilderError;
use thiserror::Error;

use super::pem::PemError;
use crate::io::file::UnreadableFile;

/// TLS cannot be set up.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error(transparent)]
    Unreadable(#[from] UnreadableFile),
    /// A file does not hold what it should.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// The certificate or the key is broken, or they do not belong together.
    #[error("the certificate {cert} and the private key {key} cannot be used together")]
    Pair {
        /// The file of the certificate.
        cert: PathBuf,
        /// The file of the key.
        key: PathBuf,
        /// The cause.
        source: rustls::Error,
    },
    /// The client certificate or its key is broken, or they do not belong together.
    #[error("the client certificate {cert} and its private key {key} cannot be used together")]
    ClientPair {
        /// The file of the certificate.
        cert: PathBuf,
        /// The file of the key.
        key: PathBuf,
        /// The cause.
        source: rustls::Error,
    },
    /// A CA of the clients is broken.
    #[error("a certificate of the client CA {path} cannot be used")]
    ClientCa {
        /// The file of the CA.
        path: PathBuf,
        /// The cause.
        source: rustls::Error,
    },
    /// Client certificates cannot be verified.
    #[error("client certificates cannot be verified")]
    Verifier(#[from] VerifierBuilderError),
    /// The cryptography library supports no version of TLS.
    #[error("no version of TLS is supported")]
    Version(#[source] rustls::Error),
}
