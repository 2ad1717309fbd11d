//! `oauth-clients healthcheck`.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use tonic::transport::Endpoint;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use super::CliError;

/// How long the server has for its answer.
const TIMEOUT: Duration = Duration::from_secs(3);

#[derive(Debug, clap::Args)]
pub(super) struct Healthcheck {
    /// A TOML file with flags as keys.
    #[arg(long, env = "OAUTH_CLIENTS_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where the gRPC door of the server listens.
    #[arg(
        long,
        env = "OAUTH_CLIENTS_GRPC_ADDR",
        value_name = "ADDR",
        default_value = "127.0.0.1:50051"
    )]
    grpc_addr: SocketAddr,
}

impl Healthcheck {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let endpoint = Endpoint::from_shared(format!("http://{}", reachable(self.grpc_addr)))
            .map_err(|_| CliError::NotReady("the address cannot be called"))?
            .connect_timeout(TIMEOUT)
            .timeout(TIMEOUT);
        let channel = endpoint
            .connect()
            .await
            .map_err(|_| CliError::NotReady("nobody listens"))?;
        let answer = HealthClient::new(channel)
            .check(HealthCheckRequest::default())
            .await
            .map_err(|_| CliError::NotReady("the health service does not answer"))?;
        match answer.into_inner().status() {
            ServingStatus::Serving => Ok(()),
            _ => Err(CliError::NotReady("the server says so itself")),
        }
    }
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
