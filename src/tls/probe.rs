//! TLS of the health probe. It trusts one certificate: that of the server, whose file it has.

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
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{TlsError, pem::PemFile};

/// The PEM files of a client certificate.
#[derive(Debug)]
pub(crate) struct ClientFiles {
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
}

/// Connects to the server that has one certificate, for HTTP/2 over TLS.
#[derive(Clone)]
pub(crate) struct ProbeTls(Arc<ClientConfig>);

impl ProbeTls {
    pub(crate) fn load(server_cert: &Path, client: Option<&ClientFiles>) -> Result<Self, TlsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let pinned = PinnedCertificate {
            chain: PemFile::read(server_cert)?.certificates()?,
            algorithms: provider.signature_verification_algorithms,
        };
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Version)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(pinned));
        let mut config = match client {
            Some(ClientFiles { cert, key }) => builder
                .with_client_auth_cert(
                    PemFile::read(cert)?.certificates()?,
                    PemFile::read(key)?.private_key()?,
                )
                .map_err(|source| TlsError::ClientPair {
                    cert: cert.clone(),
                    key: key.clone(),
                    source,
                })?,
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Self(Arc::new(config)))
    }

    pub(crate) async fn connect(self, addr: SocketAddr) -> io::Result<TokioIo<TlsStream<TcpStream>>> {
        let stream = TcpStream::connect(addr).await?;
        let connector = TlsConnector::from(self.0);
        let stream = connector.connect(ServerName::from(addr.ip()), stream).await?;
        Ok(TokioIo::new(stream))
    }
}

/// Accepts the first certificate of a file and no other. Names and dates do not matter, as the file itself is trusted.
#[derive(Debug)]
struct PinnedCertificate {
    chain: Vec<CertificateDer<'static>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for PinnedCertificate {
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
