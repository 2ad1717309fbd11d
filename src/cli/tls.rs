//! The flags of `serve` that say how its transports are encrypted, and how a client calls them then.

use std::path::PathBuf;

use super::CliError;
use crate::config::TlsFiles;

#[derive(Debug, clap::Args)]
pub(super) struct ServeTls {
    /// The certificate chain of the server (PEM): both transports speak TLS. All TLS files are read again when they change.
    #[arg(long, env = "OAUTH_CLIENTS_TLS_CERT", value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// The private key of the certificate (PEM, not encrypted).
    #[arg(long, env = "OAUTH_CLIENTS_TLS_KEY", value_name = "FILE")]
    tls_key: Option<PathBuf>,
    /// CAs of clients (PEM): every connection, also that of a probe, needs a client certificate of one of them.
    #[arg(long, env = "OAUTH_CLIENTS_TLS_CLIENT_CA", value_name = "FILE")]
    tls_client_ca: Option<PathBuf>,
    /// Speak plaintext also outside loopback, where a proxy or a mesh in front encrypts.
    #[arg(long, env = "OAUTH_CLIENTS_ALLOW_PLAINTEXT")]
    pub(super) allow_plaintext: bool,
}

impl ServeTls {
    pub(super) fn files(&self) -> Result<Option<TlsFiles>, CliError> {
        let key = |key, rule| Err(CliError::Key { key, rule });
        match (&self.tls_cert, &self.tls_key) {
            (Some(cert), Some(key)) => Ok(Some(TlsFiles {
                cert: cert.clone(),
                key: key.clone(),
                client_ca: self.tls_client_ca.clone(),
            })),
            (Some(_), None) => key("--tls-key", "is required with --tls-cert"),
            (None, Some(_)) => key("--tls-cert", "is required with --tls-key"),
            (None, None) if self.tls_client_ca.is_some() => {
                key("--tls-client-ca", "needs --tls-cert and --tls-key")
            }
            (None, None) => Ok(None),
        }
    }
}

/// The arguments with which curl and grpcurl trust the server, each followed by a space.
#[derive(Debug)]
pub(super) struct Trust {
    pub(super) curl: String,
    pub(super) grpcurl: String,
}

impl Trust {
    pub(super) fn of(tls: Option<&TlsFiles>) -> Self {
        let Some(tls) = tls else {
            return Self {
                curl: String::new(),
                grpcurl: "-plaintext ".to_owned(),
            };
        };
        let cert = tls.cert.display();
        let client = |dash| match tls.client_ca {
            Some(_) => format!("{dash}cert CLIENT.pem {dash}key CLIENT-KEY.pem "),
            None => String::new(),
        };
        Self {
            curl: format!("--cacert {cert} {}", client("--")),
            grpcurl: format!("-cacert {cert} {}", client("-")),
        }
    }
}
