//! Clients that speak TLS, on connections that the tests can tell apart.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use hyper_util::rt::TokioIo;
use rustls::{
    AlertDescription, ClientConfig, RootCertStore, SupportedProtocolVersion,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use super::{
    TestServer, Transport,
    certs::{Ca, Pair},
};

impl TestServer {
    pub(crate) fn addr(&self, transport: Transport) -> SocketAddr {
        match transport {
            Transport::Rest => self.rest_addr,
            Transport::Grpc => self.grpc_addr,
        }
    }
}

/// The server certificate that a client trusts, and its own certificate.
#[derive(Clone)]
pub(crate) struct TlsClient {
    pub(crate) config: ClientConfig,
}

impl TlsClient {
    pub(crate) fn new(trusted: &Ca, shown: Option<&Pair>) -> Self {
        Self::speaking(rustls::ALL_VERSIONS, trusted, shown)
    }

    pub(crate) fn speaking(
        versions: &[&'static SupportedProtocolVersion],
        trusted: &Ca,
        shown: Option<&Pair>,
    ) -> Self {
        let certificates = |pem: &str| vec![CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()];
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(certificates(&trusted.pem()));
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        let config = match shown {
            Some(pair) => {
                let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
                builder
                    .with_client_auth_cert(certificates(&pair.cert), key)
                    .unwrap()
            }
            None => builder.with_no_client_auth(),
        };
        Self { config }
    }

    /// The same, offering these protocols (RFC 7301).
    pub(crate) fn offering(mut self, protocols: &[&str]) -> Self {
        self.config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        self
    }

    pub(crate) async fn connect(&self, addr: SocketAddr) -> io::Result<TlsStream<TcpStream>> {
        self.shake_hands(TcpStream::connect(addr).await?).await
    }

    pub(crate) async fn shake_hands(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let connector = TlsConnector::from(Arc::new(self.config.clone()));
        let name = ServerName::from(stream.peer_addr()?.ip());
        connector.connect(name, stream).await
    }

    /// Connects to a transport, and asks for its health.
    pub(crate) async fn open(&self, server: &TestServer, transport: Transport) -> io::Result<Session> {
        let stream = self.connect(server.addr(transport)).await?;
        Session::on(stream, transport).await
    }

    /// The alert with which a server ends the connection. In TLS 1.3 a client is done with the handshake before the
    /// server has seen its certificate, and finds out when it reads.
    pub(crate) async fn alert(&self, addr: SocketAddr) -> AlertDescription {
        let error = match self.connect(addr).await {
            Ok(mut stream) => stream.read_u8().await.unwrap_err(),
            Err(error) => error,
        };
        let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
        match cause {
            Some(rustls::Error::AlertReceived(alert)) => *alert,
            _ => panic!("no alert: {error}"),
        }
    }
}

/// One connection to a transport.
pub(crate) enum Session {
    Rest(Box<TlsStream<TcpStream>>),
    Grpc(Channel),
}

impl Session {
    pub(crate) async fn on(stream: TlsStream<TcpStream>, transport: Transport) -> io::Result<Self> {
        let mut session = match transport {
            Transport::Rest => Self::Rest(Box::new(stream)),
            Transport::Grpc => Self::Grpc(channel(stream).await?),
        };
        session.ask().await?;
        Ok(session)
    }

    /// Asks for the health on this connection.
    pub(crate) async fn ask(&mut self) -> io::Result<()> {
        let asking = async {
            match self {
                Self::Rest(stream) => ask_rest(stream).await,
                Self::Grpc(channel) => {
                    let mut health = HealthClient::new(channel.clone());
                    let answer = health.check(HealthCheckRequest::default()).await;
                    answer.map(drop).map_err(io::Error::other)
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(8), asking).await?
    }
}

async fn ask_rest(stream: &mut TlsStream<TcpStream>) -> io::Result<()> {
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n")
        .await?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"ok\n") {
        if stream.read_buf(&mut answer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    assert!(answer.starts_with(b"HTTP/1.1 200 "));
    Ok(())
}

/// A channel that cannot connect a second time.
async fn channel(stream: TlsStream<TcpStream>) -> io::Result<Channel> {
    let mut stream = Some(TokioIo::new(stream));
    let connect = tower::service_fn(move |_| {
        let stream = stream.take().ok_or(io::ErrorKind::NotConnected);
        async move { stream.map_err(io::Error::from) }
    });
    Endpoint::from_static("http://localhost")
        .connect_with_connector(connect)
        .await
        .map_err(io::Error::other)
}
