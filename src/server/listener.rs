//! Accepts connections for a transport. TLS handshakes run beside one another, so that none waits for another.

use std::{convert::Infallible, sync::Arc, time::Duration};

use futures_util::{Stream, stream};
use rustls::ServerConfig;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

use super::connection::Connection;
use crate::tls::CurrentTls;

/// How long a TLS handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long to wait before accepting again when the process has no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Where a transport gets its connections from. When this is dropped, no more are accepted, and handshakes end.
#[derive(Debug)]
pub(super) struct Listener {
    tcp: TcpListener,
    tls: Option<CurrentTls>,
    handshakes: JoinSet<Option<Connection>>,
    /// So that connections that have not begun end with this.
    listening: watch::Sender<()>,
}

impl Listener {
    pub(super) fn new(tcp: TcpListener, tls: Option<CurrentTls>) -> Self {
        Self {
            tcp,
            tls,
            handshakes: JoinSet::new(),
            listening: watch::Sender::new(()),
        }
    }

    /// The next connection that can be served.
    pub(super) async fn accept(&mut self) -> Connection {
        loop {
            tokio::select! {
                stream = accept(&self.tcp) => match &self.tls {
                    None => return Connection::new(stream, self.listening.subscribe()),
                    Some(tls) => {
                        let config = tls.borrow().clone();
                        self.handshakes.spawn(shake_hands(stream, config, self.listening.subscribe()));
                    }
                },
                Some(ended) = self.handshakes.join_next() => if let Ok(Some(connection)) = ended {
                    return connection;
                },
            }
        }
    }

    /// All connections, one after the other, as tonic wants them.
    pub(super) fn connections(self) -> impl Stream<Item = Result<Connection, Infallible>> {
        stream::unfold(self, async |mut listener| {
            let connection = listener.accept().await;
            Some((Ok(connection), listener))
        })
    }
}

async fn accept(tcp: &TcpListener) -> TcpStream {
    loop {
        match tcp.accept().await {
            Ok((stream, _)) => {
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "a connection keeps Nagle's algorithm");
                }
                return stream;
            }
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn shake_hands(
    stream: TcpStream,
    config: Arc<ServerConfig>,
    listening: watch::Receiver<()>,
) -> Option<Connection> {
    let handshake = TlsAcceptor::from(config).accept(stream);
    match tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake).await {
        Ok(Ok(stream)) => Some(Connection::new(stream, listening)),
        Ok(Err(error)) => {
            tracing::debug!(%error, "a TLS handshake failed");
            None
        }
        Err(_) => {
            tracing::debug!("a TLS handshake took too long");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    fn config() -> ServerConfig {
        let key = KeyPair::generate().unwrap();
        let cert = CertificateParams::default().self_signed(&key).unwrap();
        let key = key.serialize_der().try_into().unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_handshake_that_takes_too_long_is_given_up() {
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = tcp.local_addr().unwrap();
        let tls = watch::Sender::new(Arc::new(config()));
        let mut listener = Listener::new(tcp, Some(tls.subscribe()));
        let mut client = TcpStream::connect(addr).await.unwrap();
        client.write_all(&[22, 3, 1, 2, 0]).await.unwrap();
        let started = tokio::time::Instant::now();
        let closed = async { client.read_to_end(&mut Vec::new()).await.map(drop) };
        tokio::select! {
            _ = listener.accept() => unreachable!("nobody shook hands"),
            _ = closed => {}
        }
        assert!(started.elapsed().abs_diff(HANDSHAKE_TIMEOUT) < Duration::from_millis(100));
    }
}
