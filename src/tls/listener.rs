//! TLS of the listeners.

use std::sync::Arc;

use rustls::ServerConfig;
use tokio::sync::watch::{Receiver, Sender};

use super::{TlsError, TlsFiles, server_config::ServerPem};
use crate::{error_chain::error_chain, io::poll};

/// The protocols of the gRPC transport in order of preference (RFC 7301).
const GRPC_PROTOCOLS: &[&[u8]] = &[b"h2"];
/// The protocols of the REST transport in order of preference.
const REST_PROTOCOLS: &[&[u8]] = &[b"h2", b"http/1.1"];

/// The current TLS configuration of a listener.
pub(crate) type CurrentTls = Receiver<Arc<ServerConfig>>;

/// TLS of both transports.
#[derive(Debug)]
pub(crate) struct ListenerTls {
    files: TlsFiles,
    pem: ServerPem,
    grpc: Sender<Arc<ServerConfig>>,
    rest: Sender<Arc<ServerConfig>>,
}

impl ListenerTls {
    pub(crate) fn load(files: TlsFiles) -> Result<Self, TlsError> {
        let pem = ServerPem::read(&files)?;
        let config = pem.config()?;
        Ok(Self {
            files,
            pem,
            grpc: Sender::new(with_protocols(&config, GRPC_PROTOCOLS)),
            rest: Sender::new(with_protocols(&config, REST_PROTOCOLS)),
        })
    }

    pub(crate) fn grpc(&self) -> CurrentTls {
        self.grpc.subscribe()
    }

    pub(crate) fn rest(&self) -> CurrentTls {
        self.rest.subscribe()
    }

    /// Reloads the files whenever they change. Files that cannot be used leave the configuration as it is.
    pub(crate) async fn reload(&mut self) {
        loop {
            let files = self.files.clone();
            self.pem = poll::changed(&self.pem, move || ServerPem::read(&files)).await;
            match self.pem.config() {
                Ok(config) => {
                    self.grpc.send_replace(with_protocols(&config, GRPC_PROTOCOLS));
                    self.rest.send_replace(with_protocols(&config, REST_PROTOCOLS));
                    tracing::info!("TLS files reloaded");
                }
                Err(error) => {
                    tracing::warn!(
                        error = error_chain(&error),
                        "TLS files not usable, previous ones kept"
                    );
                }
            }
        }
    }
}

fn with_protocols(config: &ServerConfig, protocols: &[&[u8]]) -> Arc<ServerConfig> {
    let mut config = config.clone();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Arc::new(config)
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

        /// Returns the lines since the last call.
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
    async fn each_change_is_logged_once() {
        let log = Log::default();
        let _installed = log.install();
        let dir = tempfile::tempdir().unwrap();
        let files = files(dir.path());
        let (old, new) = (pem(), pem());
        write(&files, &old);
        let mut tls = ListenerTls::load(files.clone()).unwrap();
        let mut grpc = tls.grpc();
        let mut rest = tls.rest();
        let _reloading = tokio::spawn(async move { tls.reload().await });
        let mut logged_after = async |change: &dyn Fn()| {
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
        assert_eq!(logged_after(&|| {}).await, (false, vec![]));
        let bad: [(&dyn Fn(), &str); 4] = [
            (&|| fs::write(&files.key, &new.1).unwrap(), "KeyMismatch"),
            (&|| fs::write(&files.key, "").unwrap(), "key.pem holds no"),
            (&|| fs::write(&files.cert, "").unwrap(), "cert.pem holds no"),
            (&|| fs::remove_file(&files.cert).unwrap(), "file not readable"),
        ];
        for (change, why) in bad {
            let (changed, lines) = logged_after(change).await;
            assert!(!changed, "{why}");
            assert!(
                lines.len() == 1 && lines[0].contains("WARN") && lines[0].contains(why),
                "{lines:?}"
            );
        }
        let (changed, lines) = logged_after(&|| write(&files, &new)).await;
        assert!(
            changed && lines.len() == 1 && lines[0].contains("INFO"),
            "{lines:?}"
        );
    }

    #[test]
    fn an_rsa_key_is_accepted() {
        let key = KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
        let cert = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let files = files(dir.path());
        write(
            &files,
            &(cert.self_signed(&key).unwrap().pem(), key.serialize_pem()),
        );
        ListenerTls::load(files).unwrap();
    }
}
