//! Listens for the connections of a transport, and begins them.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use rustix::io::Errno;
use rustls::ServerConfig;
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::watch,
};
use tokio_rustls::TlsAcceptor;

use super::{connection::Connection, state::ConnectionState, write_timeout::WriteTimeout};
use crate::tls::CurrentTls;

/// The number of connections that may wait to be accepted, which the kernel limits too (`net.core.somaxconn`).
const BACKLOG: u32 = 4_096;
/// The maximum duration of a TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// The pause before accepting again after a lack of file descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Returns a listening socket.
pub(super) fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = if addr.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }?;
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    socket.listen(BACKLOG)
}

/// The source of the connections of a transport. When it is dropped, no more are accepted, and those that have not begun
/// end.
#[derive(Debug)]
pub(super) struct Listener {
    tcp: TcpListener,
    tls: Option<CurrentTls>,
    listening: watch::Sender<()>,
    is_exhausted: bool,
}

impl Listener {
    pub(super) fn new(tcp: TcpListener, tls: Option<CurrentTls>) -> Self {
        Self {
            tcp,
            tls,
            listening: watch::Sender::new(()),
            is_exhausted: false,
        }
    }

    /// Returns the next socket that was connected to.
    pub(super) async fn accept(&mut self) -> TcpStream {
        loop {
            match self.tcp.accept().await {
                Ok((socket, _)) => {
                    if self.is_exhausted {
                        self.is_exhausted = false;
                        tracing::info!("connections accepted again");
                    }
                    if let Err(error) = socket.set_nodelay(true) {
                        tracing::debug!(%error, "TCP_NODELAY not set");
                    }
                    return socket;
                }
                Err(error) if is_exhaustion(&error) => {
                    if !self.is_exhausted {
                        self.is_exhausted = true;
                        tracing::warn!(%error, "no connections accepted");
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
                // The peer is gone already.
                Err(error) => tracing::debug!(%error, "connection not accepted"),
            }
        }
    }

    /// Returns the future of the connection of a socket, with its handshake done; of `None` if that fails.
    pub(super) fn begin(
        &self,
        socket: WriteTimeout<TcpStream>,
        state: Arc<ConnectionState>,
    ) -> impl Future<Output = Option<Connection>> + Send + use<> {
        let config = self.tls.as_ref().map(|tls| tls.borrow().clone());
        let mut listening = self.listening.subscribe();
        async move {
            match config {
                None => Some(Connection::new(socket, state, listening)),
                Some(config) => tokio::select! {
                    connection = handshake(socket, config, state, listening.clone()) => connection,
                    _ended = listening.changed() => None,
                },
            }
        }
    }
}

/// Returns `true` for an error that lasts, unlike that of one connection.
fn is_exhaustion(error: &io::Error) -> bool {
    let exhausted = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    Errno::from_io_error(error).is_none_or(|error| exhausted.contains(&error))
}

async fn handshake(
    socket: WriteTimeout<TcpStream>,
    config: Arc<ServerConfig>,
    state: Arc<ConnectionState>,
    listening: watch::Receiver<()>,
) -> Option<Connection> {
    let accepted = TlsAcceptor::from(config).accept(socket);
    match tokio::time::timeout(HANDSHAKE_TIMEOUT, accepted).await {
        Ok(Ok(stream)) => Some(Connection::new(stream, state, listening)),
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

    #[tokio::test]
    async fn connections_wait_to_be_accepted() {
        let tcp = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let addr = tcp.local_addr().unwrap();
        let mut waiting = Vec::new();
        for number in 0..400 {
            // The kernel lets the peers of a full queue retry after a second, to no avail.
            let connecting = tokio::time::timeout(Duration::from_secs(5), TcpStream::connect(addr));
            let socket = connecting.await.unwrap_or_else(|_| panic!("{number} wait"));
            waiting.push(socket.unwrap());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_handshake_times_out() {
        let tcp = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let addr = tcp.local_addr().unwrap();
        let tls = watch::Sender::new(Arc::new(config()));
        let mut listener = Listener::new(tcp, Some(tls.subscribe()));
        let mut client = TcpStream::connect(addr).await.unwrap();
        client.write_all(&[22, 3, 1, 2, 0]).await.unwrap();
        let started = tokio::time::Instant::now();
        let closed = async { client.read_to_end(&mut Vec::new()).await.map(drop) };
        let socket = WriteTimeout::new(listener.accept().await, HANDSHAKE_TIMEOUT * 2, Arc::default());
        let (connection, _closed) = tokio::join!(listener.begin(socket, Arc::default()), closed);
        assert!(connection.is_none(), "there was no handshake");
        assert!(started.elapsed().abs_diff(HANDSHAKE_TIMEOUT) < Duration::from_millis(100));
    }
}
