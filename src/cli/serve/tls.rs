//! The flags of TLS.

use std::path::PathBuf;

use crate::{cli::FlagError, config::TlsFiles};

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "TLS")]
pub(super) struct TlsArgs {
    /// Certificate chain of the server (PEM), for both transports. All TLS files are read again when they change.
    #[arg(long, env = "OAUTH_CLIENTS_TLS_CERT", value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// Private key of the certificate (PEM, unencrypted).
    #[arg(long, env = "OAUTH_CLIENTS_TLS_KEY", value_name = "FILE")]
    tls_key: Option<PathBuf>,
    /// CAs of client certificates (PEM). Every connection then needs such a certificate, including those of health checks.
    #[arg(long, env = "OAUTH_CLIENTS_TLS_CLIENT_CA", value_name = "FILE")]
    tls_client_ca: Option<PathBuf>,
    /// Allow plaintext on addresses other than loopback, for use behind a proxy or mesh that encrypts.
    #[arg(long, env = "OAUTH_CLIENTS_ALLOW_PLAINTEXT")]
    pub(super) allow_plaintext: bool,
}

impl TlsArgs {
    pub(super) fn files(&self) -> Result<Option<TlsFiles>, FlagError> {
        let required = |flag, given| Err(FlagError::RequiredWith { flag, given });
        match (&self.tls_cert, &self.tls_key) {
            (Some(cert), Some(key)) => Ok(Some(TlsFiles {
                cert: cert.clone(),
                key: key.clone(),
                client_ca: self.tls_client_ca.clone(),
            })),
            (Some(_), None) => required("--tls-key", "--tls-cert"),
            (None, Some(_)) => required("--tls-cert", "--tls-key"),
            (None, None) if self.tls_client_ca.is_some() => required("--tls-cert", "--tls-client-ca"),
            (None, None) => Ok(None),
        }
    }
}
