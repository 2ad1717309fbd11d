//! `oauth-clients healthcheck`.

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use thiserror::Error;
use tonic::transport::{self, Channel, Endpoint};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use super::{CliError, FlagError, args::ConfigArgs};
use crate::{
    config::DEFAULT_GRPC_ADDR,
    tls::{ClientFiles, ProbeTls},
};

/// The maximum time until the server has responded.
const TIMEOUT: Duration = Duration::from_secs(3);

#[derive(Debug, clap::Args)]
pub(super) struct Healthcheck {
    #[command(flatten)]
    config: ConfigArgs,
    /// Address of the gRPC transport of the server.
    #[arg(
        long,
        env = "OAUTH_CLIENTS_GRPC_ADDR",
        value_name = "ADDR",
        default_value_t = DEFAULT_GRPC_ADDR
    )]
    grpc_addr: SocketAddr,
    /// Certificate of the server (PEM), the only one that is trusted. Without it, the check uses plaintext.
    #[arg(long, env = "OAUTH_CLIENTS_TLS_CERT", value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// Client certificate (PEM), for a server that requires one.
    #[arg(long, env = "OAUTH_CLIENTS_TLS_CLIENT_CERT", value_name = "FILE")]
    tls_client_cert: Option<PathBuf>,
    /// Private key of the client certificate (PEM, unencrypted).
    #[arg(long, env = "OAUTH_CLIENTS_TLS_CLIENT_KEY", value_name = "FILE")]
    tls_client_key: Option<PathBuf>,
}

/// The server is not ready, or did not respond.
#[derive(Debug, Error)]
pub(super) enum NotReady {
    #[error("no connection to {addr}")]
    Connect {
        addr: SocketAddr,
        source: transport::Error,
    },
    #[error("no server with the certificate of --tls-cert at {addr}")]
    ConnectTls {
        addr: SocketAddr,
        source: transport::Error,
    },
    #[error("the health service did not respond")]
    Check(#[source] Box<tonic::Status>),
    #[error("the server is not serving")]
    NotServing,
}

impl Healthcheck {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let addr = reachable(self.grpc_addr);
        let channel = connect(addr, self.tls()?).await?;
        Ok(check(channel).await?)
    }

    fn tls(&self) -> Result<Option<ProbeTls>, CliError> {
        let client = self.client_files()?;
        match &self.tls_cert {
            Some(server_cert) => Ok(Some(ProbeTls::load(server_cert, client.as_ref())?)),
            None if client.is_some() => Err(FlagError::RequiredWith {
                flag: "--tls-cert",
                given: "--tls-client-cert",
            }
            .into()),
            None => Ok(None),
        }
    }

    fn client_files(&self) -> Result<Option<ClientFiles>, FlagError> {
        match (&self.tls_client_cert, &self.tls_client_key) {
            (Some(cert), Some(key)) => Ok(Some(ClientFiles {
                cert: cert.clone(),
                key: key.clone(),
            })),
            (Some(_), None) => Err(FlagError::RequiredWith {
                flag: "--tls-client-key",
                given: "--tls-client-cert",
            }),
            (None, Some(_)) => Err(FlagError::RequiredWith {
                flag: "--tls-client-cert",
                given: "--tls-client-key",
            }),
            (None, None) => Ok(None),
        }
    }
}

async fn connect(addr: SocketAddr, tls: Option<ProbeTls>) -> Result<Channel, NotReady> {
    let endpoint = Endpoint::from_shared(format!("http://{addr}"))
        .map_err(|source| NotReady::Connect { addr, source })?
        .connect_timeout(TIMEOUT)
        .timeout(TIMEOUT);
    match tls {
        Some(tls) => {
            let connector = tower::service_fn(move |_| tls.clone().connect(addr));
            let connected = endpoint.connect_with_connector(connector).await;
            connected.map_err(|source| NotReady::ConnectTls { addr, source })
        }
        None => endpoint
            .connect()
            .await
            .map_err(|source| NotReady::Connect { addr, source }),
    }
}

async fn check(channel: Channel) -> Result<(), NotReady> {
    let response = HealthClient::new(channel)
        .check(HealthCheckRequest::default())
        .await
        .map_err(|status| NotReady::Check(Box::new(status)))?;
    match response.into_inner().status() {
        ServingStatus::Serving => Ok(()),
        _ => Err(NotReady::NotServing),
    }
}

/// Returns loopback for an unspecified address: a server that listens on every address listens on loopback too.
fn reachable(mut addr: SocketAddr) -> SocketAddr {
    if addr.ip().is_unspecified() {
        addr.set_ip(match addr {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    addr
}
