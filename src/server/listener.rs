//! Accepts the connections of a transport. TLS handshakes run concurrently.

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

/// The maximum duration of a TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// The pause before accepting again after an error, such as a lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The source of the connections of a transport. When it is dropped, no more are accepted and handshakes end.
#[derive(Debug)]
pub(super) struct Listener {
    tcp: TcpListener,
    tls: Option<CurrentTls>,
    handshakes: JoinSet<Option<Connection>>,
    /// Ends connections that have not begun when this is dropped.
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

    /// Returns the next connection, with its handshake done.
    pub(super) async fn accept(&mut self) -> Connection {
        loop {
            tokio::select! {
                stream = accept(&self.tcp) => match &self.tls {
                    None => return Connection::new(stream, self.listening.subscribe()),
                    Some(tls) => {
                        let config = tls.borrow().clone();
                        self.handshakes.spawn(handshake(stream, config, self.listening.subscribe()));
                    }
                },
                Some(ended) = self.handshakes.join_next() => if let Ok(Some(connection)) = ended {
                    return connection;
                },
            }
        }
    }

    /// Returns all connections as the stream that tonic takes.
    pub(super) fn connections(self) -> impl Stream<Item = Result<Connection, Infallible>> {
        stream::unfold(self, async |mut listener| {
            let connection = listener.accept().await;
            Some((Ok(connection), listener))
        })
    }
}

/// Returns the next connection of a socket.
pub(super) async fn accept(tcp: &TcpListener) -> TcpStream {
    loop {
        match tcp.accept().await {
            Ok((stream, _)) => {
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "TCP_NODELAY not set");
                }
                return stream;
            }
            Err(error) => {
                tracing::warn!(%error, "connection not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn handshake(
    stream: TcpStream,
    config: Arc<ServerConfig>,
    listening: watch::Receiver<()>,
) -> Option<Connection> {
    let accepted = TlsAcceptor::from(config).accept(stream);
    match tokio::time::timeout(HANDSHAKE_TIMEOUT, accepted).await {
        Ok(Ok(stream)) => Some(Connection::new(stream, listening)),
        Ok(Err(error)) => {
            tracing::debug!(%error, "TLS handshake failed");
            None
        }
        Err(_) => {
            tracing::debug!("TLS handshake timed out");
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
    async fn a_slow_handshake_times_out() {
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = tcp.local_addr().unwrap();
        let tls = watch::Sender::new(Arc::new(config()));
        let mut listener = Listener::new(tcp, Some(tls.subscribe()));
        let mut client = TcpStream::connect(addr).await.unwrap();
        client.write_all(&[22, 3, 1, 2, 0]).await.unwrap();
        let started = tokio::time::Instant::now();
        let closed = async { client.read_to_end(&mut Vec::new()).await.map(drop) };
        tokio::select! {
            _ = listener.accept() => unreachable!("there was no handshake"),
            _ = closed => {}
        }
        assert!(started.elapsed().abs_diff(HANDSHAKE_TIMEOUT) < Duration::from_millis(100));
    }
}
