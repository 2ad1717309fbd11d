//! Assembles a server, serves requests, and drains it.

mod assemble;
mod background;
mod body;
mod connection;
mod database;
mod drain;
mod error;
mod frames;
mod grpc;
mod http;
mod issuer;
mod lifetime;
mod listener;
mod metrics;
mod places;
mod purge;
mod readiness;
mod require_peer;
mod reset_guard;
mod rest;
mod stalled_streams;
mod state;
#[cfg(test)]
mod tests;
mod tracked;
mod transports;
mod write_timeout;

use std::{future::Future, net::SocketAddr};

use tokio::net::TcpListener;

pub use self::error::ServerError;
use self::{
    database::Database,
    issuer::{TrustedIssuer, trusted_issuer},
    listener::listen,
    places::Places,
};
pub use crate::tls::TlsError;
use crate::{
    config::{DEFAULT_REST_ADDR, ServerConfig},
    pb::{self, Protos},
    store::Store,
    tls::ListenerTls,
};

/// The maximum size of the headers of a request. It is larger than that of a token, so that a caller whose token is too
/// long gets an error of this service.
const MAX_HEADER_BYTES: u32 = 256 * 1024;

/// A server with an open database and listening sockets. It responds once it [runs](Server::run).
#[derive(Debug)]
pub struct Server {
    config: ServerConfig,
    protos: &'static Protos,
    database: Database,
    issuer: TrustedIssuer,
    tls: Option<ListenerTls>,
    places: Places,
    grpc: Socket,
    rest: Option<Socket>,
    metrics: Option<Socket>,
}

/// A listening socket and its address.
#[derive(Debug)]
struct Socket {
    tcp: TcpListener,
    addr: SocketAddr,
}

impl Server {
    /// Opens the database and the listening sockets.
    ///
    /// # Errors
    /// Returns an error if any of them cannot be opened, plaintext would be exposed, or the protos are incomplete.
    pub async fn bind(config: ServerConfig) -> Result<Self, ServerError> {
        if let Some(addr) = config.exposed_plaintext() {
            return Err(ServerError::Plaintext { addr });
        }
        let protos = pb::protos()?;
        let issuer = trusted_issuer(config.issuer.clone()).await?;
        let tls = config.tls.clone().map(ListenerTls::load).transpose()?;
        let database = Database::open(&config).await?;
        let grpc = Socket::bind(config.grpc_addr)?;
        let rest = Socket::bind_optional(config.rest_addr.addr())?;
        let metrics = Socket::bind_optional(config.metrics_addr)?;
        Ok(Self {
            places: Places::new(&config),
            config,
            protos,
            database,
            issuer,
            tls,
            grpc,
            rest,
            metrics,
        })
    }

    /// Returns the address of the gRPC transport.
    pub fn grpc_addr(&self) -> SocketAddr {
        self.grpc.addr
    }

    /// Returns the address of the REST transport, or `None` if it is closed.
    pub fn rest_addr(&self) -> Option<SocketAddr> {
        self.rest.as_ref().map(|socket| socket.addr)
    }

    /// Returns the maximum number of open connections, over both transports.
    pub fn max_connections(&self) -> usize {
        self.places.max()
    }

    /// Returns the address of the metrics, or `None` if they are not served.
    pub fn metrics_addr(&self) -> Option<SocketAddr> {
        self.metrics.as_ref().map(|socket| socket.addr)
    }

    /// Returns the store that requests read from.
    pub fn store(&self) -> &Store {
        &self.database.store
    }

    /// Serves requests until `shutdown` completes, and drains.
    ///
    /// # Errors
    /// Returns an error if a part of the server cannot be assembled, or a listener fails.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) -> Result<(), ServerError> {
        let mut running = self.assemble().await?;
        tokio::select! {
            () = shutdown => running.drain().await,
            outcome = running.transports.first_ended() => outcome,
        }
    }

    /// Returns the base of the links in responses.
    fn public_url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        self.config.public_url.as_ref().map_or_else(
            || format!("{scheme}://{}", self.rest_addr().unwrap_or(DEFAULT_REST_ADDR)),
            ToString::to_string,
        )
    }
}

impl Socket {
    fn bind_optional(addr: Option<SocketAddr>) -> Result<Option<Self>, ServerError> {
        addr.map(Self::bind).transpose()
    }

    fn bind(addr: SocketAddr) -> Result<Self, ServerError> {
        let error = |source| ServerError::Listen { addr, source };
        let tcp = listen(addr).map_err(error)?;
        let addr = tcp.local_addr().map_err(error)?;
        Ok(Self { tcp, addr })
    }
}
