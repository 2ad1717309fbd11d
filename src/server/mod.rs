//! Puts a server together of its parts, runs it, and ends it in good order.

mod connection;
mod error;
mod grpc;
mod http;
mod issuer;
mod listener;
mod purge;
mod readiness;
mod rest;
mod tls;

use std::{
    future::Future,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use tokio::{net::TcpListener, sync::watch, task::JoinSet};
use tower::util::{BoxCloneSyncService, MapResponse};

pub use self::{error::ServerError, tls::TlsError};
use self::{
    issuer::{IssuerTrust, trust},
    listener::Listener,
    purge::purge_assertions,
    readiness::{Readiness, keep_ready},
    tls::Tls,
};
use crate::{
    auth::{Authenticate, KeyKeeper, TokenVerifier},
    config::{RestAddr, ServerConfig},
    gateway::Gateway,
    limits::RateLimit,
    pb::{self, Protos},
    rpc::{
        client_authentication::ClientAuthentication,
        oauth_client::OAuthClients,
        stack::{StackConfig, header_fields::FillHeaderFields, normalize::normalize},
    },
    store::{Claim, MigrationState, Store},
};

/// How large the headers of a call may be. More than a token may have, so that who sends a longer one is told so.
const MAX_HEADER_BYTES: u32 = 256 * 1024;
/// Where links lead to when nothing says where the REST transport is.
const DEFAULT_REST_ADDR: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
/// How long a server waits for another process that uses its SQLite file, such as the one that it replaces.
const CLAIM_PATIENCE: Duration = Duration::from_secs(10);

/// A server that listens, and answers once it [runs](Server::run).
#[derive(Debug)]
pub struct Server {
    config: ServerConfig,
    protos: &'static Protos,
    store: Store,
    claim: Claim,
    issuer: IssuerTrust,
    tls: Option<Tls>,
    grpc: TcpListener,
    rest: Option<TcpListener>,
    grpc_addr: SocketAddr,
    rest_addr: Option<SocketAddr>,
}

impl Server {
    /// Opens the database and the listeners.
    ///
    /// # Errors
    /// When any of them cannot be had, plaintext would be exposed, or the protos are incomplete.
    pub async fn bind(config: ServerConfig) -> Result<Self, ServerError> {
        if let Some(addr) = config.exposed_plaintext() {
            return Err(ServerError::Plaintext { addr });
        }
        let protos = pb::protos()?;
        let issuer = trust(&config.issuer).await?;
        let tls = config.tls.clone().map(Tls::load).transpose()?;
        let (store, claim) = open_store(&config).await?;
        let (grpc, grpc_addr) = listen(config.grpc_addr).await?;
        let (rest, rest_addr) = match config.rest_addr {
            RestAddr::On(addr) => {
                let (listener, addr) = listen(addr).await?;
                (Some(listener), Some(addr))
            }
            RestAddr::Off => (None, None),
        };
        Ok(Self {
            config,
            protos,
            store,
            claim,
            issuer,
            tls,
            grpc,
            rest,
            grpc_addr,
            rest_addr,
        })
    }

    /// Where the gRPC transport listens.
    pub fn grpc_addr(&self) -> SocketAddr {
        self.grpc_addr
    }

    /// Where the REST transport listens, if it is open.
    pub fn rest_addr(&self) -> Option<SocketAddr> {
        self.rest_addr
    }

    /// What the links in answers begin with.
    fn public_url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        self.config.public_url.as_ref().map_or_else(
            || format!("{scheme}://{}", self.rest_addr.unwrap_or(DEFAULT_REST_ADDR)),
            ToString::to_string,
        )
    }

    /// Answers calls until `shutdown` is ready and the work in flight is done.
    ///
    /// # Errors
    /// When a listener fails.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) -> Result<(), ServerError> {
        let public_url = self.public_url();
        let (health, health_service) = tonic_health::server::health_reporter();
        let readiness = Readiness::new(health, self.protos);
        let IssuerTrust { keys, rules, keeper } = self.issuer;
        readiness.set(keys.are_known()).await;
        let rate_limit = match self.config.redis_url {
            Some(redis) => RateLimit::shared(self.config.quotas, redis)
                .await
                .map_err(ServerError::Thread)?,
            None => RateLimit::new(self.config.quotas),
        };
        let stack_config = StackConfig {
            authenticate: Authenticate::new(TokenVerifier::new(keys.clone(), rules)),
            rate_limit: rate_limit.clone(),
            call_timeout: self.config.call_timeout,
        };
        let routes = grpc::routes(
            health_service,
            OAuthClients::new(self.store.clone(), &public_url),
            ClientAuthentication::new(self.store.clone()),
        )?;

        let (stop, stopped) = watch::channel(false);
        let mut transports = Transports::new();
        if let Some(listener) = self.rest {
            let listener = Listener::new(listener, self.tls.as_ref().map(Tls::rest));
            let in_process =
                BoxCloneSyncService::new(MapResponse::new(FillHeaderFields::new(routes.clone()), normalize));
            let gateway = Gateway::new(self.protos, stack_config.clone(), in_process)?;
            transports.spawn(rest::serve(
                listener,
                self.protos,
                gateway,
                readiness.clone(),
                stopped.clone(),
            ));
        }
        let listener = Listener::new(self.grpc, self.tls.as_ref().map(Tls::grpc));
        transports.spawn(grpc::serve(listener, self.protos, stack_config, routes, stopped));
        let mut probing = JoinSet::new();
        probing.spawn(keep_ready(self.store.clone(), keys, readiness.clone()));
        let mut background = JoinSet::new();
        background.spawn(purge_assertions(self.store.clone()));
        background.spawn(rate_limit.forget_idle());
        if let Some(keeper) = keeper {
            background.spawn(KeyKeeper::run(keeper));
        }
        if let Some(tls) = self.tls {
            background.spawn(tls.reload());
        }

        tokio::select! {
            () = shutdown => {}
            Some(ended) = transports.join_next() => return ended?,
        }
        tracing::info!("draining");
        probing.shutdown().await;
        readiness.set(false).await;
        tokio::time::sleep(self.config.drain_delay).await;
        stop.send_replace(true);
        readiness.close().await;
        let outcome = tokio::time::timeout(self.config.drain_timeout, all_ended(transports))
            .await
            .unwrap_or_else(|_| {
                tracing::warn!("work in flight was cut off");
                Ok(())
            });
        background.shutdown().await;
        self.store.close().await;
        drop(self.claim);
        outcome
    }
}

type Transports = JoinSet<Result<(), ServerError>>;

async fn all_ended(mut transports: Transports) -> Result<(), ServerError> {
    while let Some(ended) = transports.join_next().await {
        ended??;
    }
    Ok(())
}

async fn listen(addr: SocketAddr) -> Result<(TcpListener, SocketAddr), ServerError> {
    let error = |source| ServerError::Listen { addr, source };
    let listener = TcpListener::bind(addr).await.map_err(error)?;
    let addr = listener.local_addr().map_err(error)?;
    Ok((listener, addr))
}

async fn open_store(config: &ServerConfig) -> Result<(Store, Claim), ServerError> {
    let url = &config.database_url;
    let error = |source| ServerError::Database {
        url: url.to_string(),
        source,
    };
    let claim = Claim::acquire(url, Some(CLAIM_PATIENCE)).await;
    let claim = claim.map_err(|source| ServerError::Claim {
        url: url.to_string(),
        source,
    })?;
    let store = Store::connect(url, config.database_connections)
        .await
        .map_err(error)?;
    if url.is_sqlite() || config.migrate {
        store.migrate(&claim).await.map_err(error)?;
    }
    let schema = store.schema().await.map_err(error)?;
    let newer = schema.count(MigrationState::Newer);
    if newer > 0 {
        tracing::info!(migrations = newer, "the schema is newer than this version");
    }
    match schema.count(MigrationState::Missing) {
        0 => Ok((store, claim)),
        missing => Err(ServerError::NotMigrated {
            url: url.to_string(),
            missing,
        }),
    }
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    // An error means that the server is gone, which is a reason to stop too.
    let _gone = stop.wait_for(|stop| *stop).await;
}
