//! The files of TLS.

use std::path::PathBuf;

/// The PEM files (RFC 7468) of a listener. They are read again when they change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate chain of the server.
    pub cert: PathBuf,
    /// The private key of the certificate.
    pub key: PathBuf,
    /// The CAs that client certificates must come from; `None` if clients need no certificate.
    pub client_ca: Option<PathBuf>,
}
