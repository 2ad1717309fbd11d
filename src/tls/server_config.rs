//! The TLS configuration of a server, made of its files.

use std::sync::Arc;

use rustls::{
    RootCertStore, ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    server::{NoServerSessionStorage, WebPkiClientVerifier, danger::ClientCertVerifier},
};

use super::{TlsError, TlsFiles, pem::PemFile};
use crate::io::file::UnreadableFile;

/// The contents of the files of a server.
#[derive(Debug, PartialEq)]
pub(super) struct ServerPem {
    cert: PemFile,
    key: PemFile,
    client_ca: Option<PemFile>,
}

impl ServerPem {
    pub(super) fn read(files: &TlsFiles) -> Result<Self, UnreadableFile> {
        Ok(Self {
            cert: PemFile::read(&files.cert)?,
            key: PemFile::read(&files.key)?,
            client_ca: files.client_ca.as_deref().map(PemFile::read).transpose()?,
        })
    }

    pub(super) fn config(&self) -> Result<ServerConfig, TlsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Version)?;
        let verifier = match &self.client_ca {
            Some(ca) => client_verifier(ca, provider)?,
            None => WebPkiClientVerifier::no_client_auth(),
        };
        let mut config = builder
            .with_client_cert_verifier(verifier)
            .with_single_cert(self.cert.certificates()?, self.key.private_key()?)
            .map_err(|source| TlsError::Pair {
                cert: self.cert.path().to_owned(),
                key: self.key.path().to_owned(),
                source,
            })?;
        if self.client_ca.is_some() {
            // The client certificate of a resumed session is not verified again, even if it has expired since.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        Ok(config)
    }
}

fn client_verifier(
    ca: &PemFile,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in ca.certificates()? {
        roots.add(certificate).map_err(|source| TlsError::ClientCa {
            path: ca.path().to_owned(),
            source,
        })?;
    }
    Ok(WebPkiClientVerifier::builder_with_provider(roots.into(), provider).build()?)
}
