//! `oauth-clients healthcheck`.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use tonic::transport::{self, Channel, Endpoint};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use super::CliError;
use crate::{
    config::DEFAULT_GRPC_ADDR,
    tls::{ClientFiles, ProbeTls},
};

/// How long the server has for its answer.
const TIMEOUT: Duration = Duration::from_secs(3);

#[derive(Debug, clap::Args)]
pub(super) struct Healthcheck {
    /// A TOML file with flags as keys.
    #[arg(long, env = "OAUTH_CLIENTS_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where the gRPC transport of the server listens.
    #[arg(
        long,
        env = "OAUTH_CLIENTS_GRPC_ADDR",
        value_name = "ADDR",
        default_value_t = DEFAULT_GRPC_ADDR
    )]
    grpc_addr: SocketAddr,
    /// The certificate of the server (PEM), which alone is trusted. Without it, plaintext is spoken.
    #[arg(long, env = "OAUTH_CLIENTS_TLS_CERT", value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// The client certificate to show (PEM), where the server wants one.
    #[arg(long, env = "OAUTH_CLIENTS_TLS_CLIENT_CERT", value_name = "FILE")]
    tls_client_cert: Option<PathBuf>,
    /// The private key of the client certificate (PEM, not encrypted).
    #[arg(long, env = "OAUTH_CLIENTS_TLS_CLIENT_KEY", value_name = "FILE")]
    tls_client_key: Option<PathBuf>,
}

impl Healthcheck {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let addr = reachable(self.grpc_addr);
        let endpoint = Endpoint::from_shared(format!("http://{addr}"))
            .map_err(|_| CliError::NotReady("the address cannot be called"))?
            .connect_timeout(TIMEOUT)
            .timeout(TIMEOUT);
        let channel = match self.tls()? {
            Some(tls) => connect_tls(&endpoint, tls, addr)
                .await
                .map_err(|_| CliError::NotReady("nobody listens with the certificate of --tls-cert"))?,
            None => endpoint
                .connect()
                .await
                .map_err(|_| CliError::NotReady("nobody listens"))?,
        };
        let answer = HealthClient::new(channel)
            .check(HealthCheckRequest::default())
            .await
            .map_err(|_| CliError::NotReady("the health service does not answer"))?;
        match answer.into_inner().status() {
            ServingStatus::Serving => Ok(()),
            _ => Err(CliError::NotReady("the server says so itself")),
        }
    }

    fn tls(&self) -> Result<Option<ProbeTls>, CliError> {
        let key = |key, rule| CliError::Key { key, rule };
        let client = match (&self.tls_client_cert, &self.tls_client_key) {
            (Some(cert), Some(key)) => Some(ClientFiles {
                cert: cert.clone(),
                key: key.clone(),
            }),
            (Some(_), None) => return Err(key("--tls-client-key", "is required with --tls-client-cert")),
            (None, Some(_)) => return Err(key("--tls-client-cert", "is required with --tls-client-key")),
            (None, None) => None,
        };
        let Some(server_cert) = &self.tls_cert else {
            return match client {
                Some(_) => Err(key("--tls-client-cert", "needs --tls-cert")),
                None => Ok(None),
            };
        };
        Ok(Some(ProbeTls::load(server_cert, client.as_ref())?))
    }
}

async fn connect_tls(
    endpoint: &Endpoint,
    tls: ProbeTls,
    addr: SocketAddr,
) -> Result<Channel, transport::Error> {
    let connect = tower::service_fn(move |_| tls.clone().connect(addr));
    endpoint.connect_with_connector(connect).await
}

/// A server that listens on every address listens on loopback too.
fn reachable(addr: SocketAddr) -> SocketAddr {
    let mut addr = addr;
    if addr.ip().is_unspecified() {
        addr.set_ip(match addr {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    addr
}
