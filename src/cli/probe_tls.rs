//! TLS to a server whose certificate file is at hand: it is trusted because it is that certificate.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use hyper_util::rt::TokioIo;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{self, WebPkiSupportedAlgorithms, aws_lc_rs},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{
    pem::{PemError, PemFile},
    watch::UnreadableFile,
};

/// Why files do not make TLS.
#[derive(Debug, Error)]
pub(super) enum ProbeTlsError {
    #[error(transparent)]
    Unreadable(#[from] UnreadableFile),
    #[error(transparent)]
    Pem(#[from] PemError),
    #[error("the client certificate {cert} and its private key {key} cannot be used together")]
    Pair {
        cert: PathBuf,
        key: PathBuf,
        source: Error,
    },
    #[error("TLS cannot be spoken")]
    Provider(#[source] Error),
}

/// What a client shows when the server asks for a certificate.
#[derive(Debug)]
pub(super) struct ClientPair {
    pub(super) cert: PathBuf,
    pub(super) key: PathBuf,
}

/// Speaks TLS, in which HTTP/2 is spoken, to the server that has a certificate.
#[derive(Clone)]
pub(super) struct ProbeTls(Arc<ClientConfig>);

impl ProbeTls {
    pub(super) fn load(server_cert: &Path, client: Option<&ClientPair>) -> Result<Self, ProbeTlsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let pinned = Pinned {
            chain: PemFile::read(server_cert)?.certificates()?,
            algorithms: provider.signature_verification_algorithms,
        };
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(ProbeTlsError::Provider)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(pinned));
        let mut config = match client {
            Some(ClientPair { cert, key }) => builder
                .with_client_auth_cert(
                    PemFile::read(cert)?.certificates()?,
                    PemFile::read(key)?.private_key()?,
                )
                .map_err(|source| ProbeTlsError::Pair {
                    cert: cert.clone(),
                    key: key.clone(),
                    source,
                })?,
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Self(Arc::new(config)))
    }

    pub(super) async fn connect(self, addr: SocketAddr) -> io::Result<TokioIo<TlsStream<TcpStream>>> {
        let stream = TcpStream::connect(addr).await?;
        let connector = TlsConnector::from(self.0);
        let stream = connector.connect(ServerName::from(addr.ip()), stream).await?;
        Ok(TokioIo::new(stream))
    }
}

/// Takes the first certificate of a file, and no other. Names and dates do not matter: the file is trusted itself.
#[derive(Debug)]
struct Pinned {
    chain: Vec<CertificateDer<'static>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.chain.first() == Some(end_entity) {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        crypto::verify_tls12_signature(message, cert, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        crypto::verify_tls13_signature(message, cert, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
