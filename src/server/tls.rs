//! What the listeners need to speak TLS, out of files, and anew when they change.

use std::{path::PathBuf, sync::Arc};

use rustls::{
    RootCertStore, ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    server::{
        NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier, danger::ClientCertVerifier,
    },
};
use thiserror::Error;
use tokio::sync::watch::{Receiver, Sender};

use crate::{
    config::TlsFiles,
    error_chain::error_chain,
    pem::{PemError, PemFile},
    watch::{self, UnreadableFile},
};

/// What the transports speak over TLS, the favourite first (RFC 7301).
const GRPC_PROTOCOLS: &[&[u8]] = &[b"h2"];
const REST_PROTOCOLS: &[&[u8]] = &[b"h2", b"http/1.1"];

/// Why files do not make TLS.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error(transparent)]
    Unreadable(#[from] UnreadableFile),
    /// A file does not hold what it should.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// The certificate is broken, the key is, or they do not belong together.
    #[error("the certificate {cert} and the private key {key} cannot be used together")]
    Pair {
        /// The file of the certificate.
        cert: PathBuf,
        /// The file of the key.
        key: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// A CA of the clients is broken.
    #[error("a certificate of the client CA {path} cannot be used")]
    ClientCa {
        /// The file of the CA.
        path: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// Clients cannot be verified.
    #[error("client certificates cannot be verified")]
    Verifier(#[from] VerifierBuilderError),
    /// The cryptography library speaks no version of TLS.
    #[error("TLS cannot be spoken")]
    Provider(#[source] rustls::Error),
}

/// TLS as it is configured now, for those who accept connections.
pub(super) type CurrentTls = Receiver<Arc<ServerConfig>>;

/// TLS on both transports.
#[derive(Debug)]
pub(super) struct Tls {
    files: TlsFiles,
    pem: TlsPem,
    grpc: Sender<Arc<ServerConfig>>,
    rest: Sender<Arc<ServerConfig>>,
}

impl Tls {
    pub(super) fn load(files: TlsFiles) -> Result<Self, TlsError> {
        let pem = TlsPem::read(&files)?;
        let config = pem.config()?;
        Ok(Self {
            files,
            pem,
            grpc: Sender::new(speaking(GRPC_PROTOCOLS, &config)),
            rest: Sender::new(speaking(REST_PROTOCOLS, &config)),
        })
    }

    pub(super) fn grpc(&self) -> CurrentTls {
        self.grpc.subscribe()
    }

    pub(super) fn rest(&self) -> CurrentTls {
        self.rest.subscribe()
    }

    /// Takes what the files hold whenever that changes and can be used.
    pub(super) async fn reload(mut self) {
        loop {
            let files = self.files.clone();
            self.pem = watch::changed(&self.pem, move || TlsPem::read(&files)).await;
            match self.pem.config() {
                Ok(config) => {
                    self.grpc.send_replace(speaking(GRPC_PROTOCOLS, &config));
                    self.rest.send_replace(speaking(REST_PROTOCOLS, &config));
                    tracing::info!("the TLS files were read again");
                }
                Err(error) => {
                    tracing::warn!(
                        error = error_chain(&error),
                        "the TLS files changed and cannot be used: what they held before stays in use"
                    );
                }
            }
        }
    }
}

fn speaking(protocols: &[&[u8]], config: &ServerConfig) -> Arc<ServerConfig> {
    let mut config = config.clone();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Arc::new(config)
}

/// What the files held when they were read.
#[derive(Debug, PartialEq)]
struct TlsPem {
    cert: PemFile,
    key: PemFile,
    client_ca: Option<PemFile>,
}

impl TlsPem {
    fn read(files: &TlsFiles) -> Result<Self, UnreadableFile> {
        Ok(Self {
            cert: PemFile::read(&files.cert)?,
            key: PemFile::read(&files.key)?,
            client_ca: files.client_ca.as_deref().map(PemFile::read).transpose()?,
        })
    }

    fn config(&self) -> Result<ServerConfig, TlsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Provider)?;
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
            // A session that is resumed is not verified again, also when the certificate has expired since.
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

#[cfg(test)]
mod tests {
    use std::{
        fs, io,
        path::Path,
        sync::{Mutex, PoisonError},
        time::Duration,
    };

    use rcgen::{CertificateParams, KeyPair};
    use tracing::subscriber::DefaultGuard;

    use super::*;

    fn pem() -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let cert = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        (cert.self_signed(&key).unwrap().pem(), key.serialize_pem())
    }

    fn files(dir: &Path) -> TlsFiles {
        TlsFiles {
            cert: dir.join("cert.pem"),
            key: dir.join("key.pem"),
            client_ca: None,
        }
    }

    fn write(files: &TlsFiles, (cert, key): &(String, String)) {
        fs::write(&files.cert, cert).unwrap();
        fs::write(&files.key, key).unwrap();
    }

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Log {
        fn install(&self) -> DefaultGuard {
            let log = self.clone();
            let lines = tracing_subscriber::fmt()
                .with_ansi(false)
                .with_writer(move || log.clone());
            tracing::subscriber::set_default(lines.finish())
        }

        /// The lines since the last time.
        fn take(&self) -> Vec<String> {
            let bytes = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
            String::from_utf8(bytes)
                .unwrap()
                .lines()
                .map(str::to_owned)
                .collect()
        }
    }

    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn each_change_is_said_once() {
        let log = Log::default();
        let _installed = log.install();
        let dir = tempfile::tempdir().unwrap();
        let files = files(dir.path());
        let (old, new) = (pem(), pem());
        write(&files, &old);
        let tls = Tls::load(files.clone()).unwrap();
        let mut grpc = tls.grpc();
        let mut rest = tls.rest();
        let _reloading = tokio::spawn(tls.reload());
        let mut said_after = async |change: &dyn Fn()| {
            change();
            tokio::time::sleep(Duration::from_secs(10)).await;
            let changed = [&mut grpc, &mut rest].map(|config| {
                let changed = config.has_changed().unwrap();
                config.mark_unchanged();
                changed
            });
            assert_eq!(changed[0], changed[1], "both transports change together");
            (changed[0], log.take())
        };
        assert_eq!(said_after(&|| {}).await, (false, vec![]));
        let bad: [(&dyn Fn(), &str); 4] = [
            (&|| fs::write(&files.key, &new.1).unwrap(), "KeyMismatch"),
            (&|| fs::write(&files.key, "").unwrap(), "key.pem holds no"),
            (&|| fs::write(&files.cert, "").unwrap(), "cert.pem holds no"),
            (&|| fs::remove_file(&files.cert).unwrap(), "cannot be read"),
        ];
        for (change, why) in bad {
            let (changed, lines) = said_after(change).await;
            assert!(!changed, "{why}");
            assert!(
                lines.len() == 1 && lines[0].contains("WARN") && lines[0].contains(why),
                "{lines:?}"
            );
        }
        let (changed, lines) = said_after(&|| write(&files, &new)).await;
        assert!(
            changed && lines.len() == 1 && lines[0].contains("INFO"),
            "{lines:?}"
        );
    }

    #[test]
    fn a_key_may_be_rsa() {
        let key = KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
        let cert = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let files = files(dir.path());
        write(
            &files,
            &(cert.self_signed(&key).unwrap().pem(), key.serialize_pem()),
        );
        Tls::load(files).unwrap();
    }
}
