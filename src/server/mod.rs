//! Puts a server together of its parts, runs it, and ends it in good order.

mod connection;
mod http;
mod listener;
mod readiness;
mod tls;

use std::{
    future::Future,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use ::http::{HeaderValue, header::ALLOW};
use axum::routing::get;
use thiserror::Error;
use tokio::{
    net::TcpListener,
    sync::watch,
    task::{JoinError, JoinSet},
};
use tonic::service::Routes;
use tower::util::{BoxCloneSyncService, MapResponse};

pub use self::tls::TlsError;
use self::{
    listener::Listener,
    readiness::{READINESS_INTERVAL, Readiness, keep_ready},
    tls::Tls,
};
use crate::{
    auth::{
        Authenticate, IssuerKeys, KeyKeeper, SourceError, TokenRules, TokenVerifier,
        dev_key::{DevKey, DevKeyError},
    },
    config::{Issuer, RestAddr, ServerConfig},
    gateway::{self, BindingError, Gateway},
    limits::RateLimit,
    pb::{
        self, PolicyError, Protos,
        v1::{ErrorReason, o_auth_client_service_server::OAuthClientServiceServer},
    },
    rpc::{
        oauth_client::OAuthClients,
        stack::{StackConfig, fit::fit_trailers, normalize::normalize, resolve::ResolveMethod, stack},
        status::Failure,
    },
    store::{Store, StoreError},
};

/// The largest message that is taken.
const MAX_MESSAGE_BYTES: usize = 1024 * 1024;
/// How many calls that were given up may wait to be noticed before the connection is taken for an attack. Callers with
/// short deadlines share one connection, and give up many calls at once.
const MAX_PENDING_RESETS: usize = 256;
/// How large the metadata of a call may be. More than a token may have, so that who sends a longer one is told so.
const MAX_HEADER_BYTES: u32 = 256 * 1024;
/// Where links lead to when nothing says where the REST door is.
const DEFAULT_REST_ADDR: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// Why a server does not start, or ends early.
#[derive(Debug, Error)]
pub enum ServerError {
    /// The protos do not say everything.
    #[error("the protos are incomplete")]
    Policy(#[from] &'static PolicyError),
    /// An annotation makes no sense.
    #[error("the protos are contradictory")]
    Binding(#[from] BindingError),
    /// The reflection service cannot be made.
    #[error("the descriptors cannot be served")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// The address is not free, or not this machine's.
    #[error("cannot listen on {addr}")]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// A door would be open to other machines, and nothing encrypts what goes through it.
    #[error(
        "{addr} is outside loopback and would speak plaintext: give --tls-cert and --tls-key, or, where a proxy or a mesh \
         encrypts, --allow-plaintext"
    )]
    Plaintext {
        /// The address.
        addr: SocketAddr,
    },
    /// The TLS files cannot be used.
    #[error("TLS cannot be set up")]
    Tls(#[from] TlsError),
    /// The development key cannot be had.
    #[error(transparent)]
    DevKey(#[from] DevKeyError),
    /// The issuer's keys cannot be had.
    #[error("the keys of the issuer cannot be had")]
    Keys(#[from] SourceError),
    /// The database cannot be reached.
    #[error("the database {url} cannot be used")]
    Database {
        /// Where it is, without user and password.
        url: String,
        /// Why.
        source: StoreError,
    },
    /// The schema is not that of this version.
    #[error(
        "the schema of {url} lacks {missing} migrations: run `oauth-clients migrate up`, or serve with --migrate"
    )]
    NotMigrated {
        /// Where it is, without user and password.
        url: String,
        /// How many.
        missing: usize,
    },
    /// A listener failed.
    #[error("a listener failed")]
    Serve(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A listener panicked.
    #[error("a listener panicked")]
    Panicked(#[from] JoinError),
}

/// A server that listens, and answers once it [runs](Server::run).
#[derive(Debug)]
pub struct Server {
    config: ServerConfig,
    protos: &'static Protos,
    store: Store,
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
        let store = open_store(&config).await?;
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
            issuer,
            tls,
            grpc,
            rest,
            grpc_addr,
            rest_addr,
        })
    }

    /// Where the gRPC door listens.
    pub fn grpc_addr(&self) -> SocketAddr {
        self.grpc_addr
    }

    /// Where the REST door listens, if it is open.
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
        let readiness = Readiness::new(health);
        let IssuerTrust { keys, rules, keeper } = self.issuer;
        readiness.set(keys.are_known()).await;
        let rate_limit = match self.config.redis_url {
            Some(redis) => RateLimit::shared(self.config.quotas, redis).await,
            None => RateLimit::new(self.config.quotas),
        };
        let stack_config = StackConfig {
            authenticate: Authenticate::new(TokenVerifier::new(keys.clone(), rules)),
            rate_limit: rate_limit.clone(),
            call_timeout: self.config.call_timeout,
        };
        let handlers = OAuthClientServiceServer::new(OAuthClients::new(self.store.clone(), &public_url))
            .max_decoding_message_size(MAX_MESSAGE_BYTES);
        let routes = Routes::new(health_service)
            .add_service(handlers)
            .add_service(reflection().build_v1()?)
            .add_service(reflection().build_v1alpha()?)
            .prepare();

        let (stop, stopped) = watch::channel(false);
        let mut doors = JoinSet::new();
        if let Some(listener) = self.rest {
            let listener = Listener::new(listener, self.tls.as_ref().map(Tls::rest));
            let in_process = BoxCloneSyncService::new(MapResponse::new(routes.clone(), normalize));
            let gateway = Gateway::new(self.protos, stack_config.clone(), in_process)?;
            doors.spawn(serve_rest(
                listener,
                self.protos,
                gateway,
                readiness.clone(),
                stopped.clone(),
            ));
        }
        let listener = Listener::new(self.grpc, self.tls.as_ref().map(Tls::grpc));
        doors.spawn(serve_grpc(listener, self.protos, stack_config, routes, stopped));
        let mut background = JoinSet::new();
        background.spawn(keep_ready(self.store.clone(), keys, readiness.clone()));
        background.spawn(async move {
            if let Some(keeper) = keeper {
                keeper.run().await;
            }
        });
        background.spawn(rate_limit.maintain());
        if let Some(tls) = self.tls {
            background.spawn(tls.reload());
        }

        tokio::select! {
            () = shutdown => {}
            Some(ended) = doors.join_next() => return ended?,
        }
        tracing::info!("draining");
        background.shutdown().await;
        readiness.set(false).await;
        tokio::time::sleep(self.config.drain_delay).await;
        stop.send_replace(true);
        readiness.close().await;
        let all_done = async {
            while let Some(ended) = doors.join_next().await {
                ended??;
            }
            Ok(())
        };
        let outcome = tokio::time::timeout(self.config.drain_timeout, all_done)
            .await
            .unwrap_or_else(|_| {
                tracing::warn!("work in flight was cut off");
                Ok(())
            });
        self.store.close().await;
        outcome
    }
}

async fn listen(addr: SocketAddr) -> Result<(TcpListener, SocketAddr), ServerError> {
    let error = |source| ServerError::Listen { addr, source };
    let listener = TcpListener::bind(addr).await.map_err(error)?;
    let addr = listener.local_addr().map_err(error)?;
    Ok((listener, addr))
}

/// Whose tokens are accepted, and who keeps the keys up to date.
#[derive(Debug)]
struct IssuerTrust {
    keys: IssuerKeys,
    rules: TokenRules,
    keeper: Option<KeyKeeper>,
}

async fn trust(issuer: &Issuer) -> Result<IssuerTrust, ServerError> {
    match issuer {
        Issuer::Development { data_dir } => Ok(IssuerTrust {
            keys: IssuerKeys::fixed(DevKey::load_or_create(data_dir)?.key_set()?),
            rules: DevKey::rules(),
            keeper: None,
        }),
        Issuer::External {
            issuer,
            audience,
            keys,
            jwks_refresh,
            tenant_claim,
            scope_claim,
            require_at_jwt,
        } => {
            let (keys, keeper) = IssuerKeys::at(keys.clone(), *jwks_refresh).await?;
            let rules = TokenRules {
                issuer: issuer.clone(),
                audience: audience.clone(),
                tenant_claim: tenant_claim.clone(),
                scope_claim: scope_claim.clone(),
                require_at_jwt: *require_at_jwt,
            };
            Ok(IssuerTrust {
                keys,
                rules,
                keeper: Some(keeper),
            })
        }
    }
}

async fn open_store(config: &ServerConfig) -> Result<Store, ServerError> {
    let url = &config.database_url;
    let error = |source| ServerError::Database {
        url: url.to_string(),
        source,
    };
    let store = Store::connect(url).await.map_err(error)?;
    if url.is_sqlite() || config.migrate {
        store.migrate().await.map_err(error)?;
    }
    let missing = missing_migrations(&store).await.map_err(error)?;
    if missing > 0 {
        return Err(ServerError::NotMigrated {
            url: url.to_string(),
            missing,
        });
    }
    Ok(store)
}

async fn missing_migrations(store: &Store) -> Result<usize, StoreError> {
    let migrations = store.migrations().await?;
    Ok(migrations.iter().filter(|(_, applied)| !applied).count())
}

fn reflection() -> tonic_reflection::server::Builder<'static> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(pb::DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        // So that tools can show the details of errors.
        .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    // An error means that the server is gone, which is a reason to stop too.
    let _gone = stop.wait_for(|stop| *stop).await;
}

async fn serve_grpc(
    listener: Listener,
    protos: &'static Protos,
    config: StackConfig,
    routes: Routes,
    stop: watch::Receiver<bool>,
) -> Result<(), ServerError> {
    let layers = tower::layer::layer_fn(move |routes: Routes| {
        MapResponse::new(
            stack(
                config.clone(),
                ResolveMethod(protos),
                MapResponse::new(routes, normalize),
            ),
            fit_trailers,
        )
    });
    tonic::transport::Server::builder()
        .http2_max_pending_accept_reset_streams(Some(MAX_PENDING_RESETS))
        .http2_max_header_list_size(Some(MAX_HEADER_BYTES))
        .layer(layers)
        .add_routes(routes)
        .serve_with_incoming_shutdown(listener.connections(), stopped(stop))
        .await
        .map_err(|error| ServerError::Serve(error.into()))
}

async fn serve_rest(
    listener: Listener,
    protos: &'static Protos,
    gateway: Gateway,
    readiness: Readiness,
    stop: watch::Receiver<bool>,
) -> Result<(), ServerError> {
    let live = || async { "ok\n" };
    let ready = move || async move {
        if readiness.get() {
            Ok("ok\n")
        } else {
            let failure = Failure::new(ErrorReason::Unavailable, "the server is not ready");
            Err(gateway::error_response(
                protos,
                failure.retry_after(READINESS_INTERVAL),
            ))
        }
    };
    let not_allowed = move || async move {
        let failure = Failure::new(ErrorReason::MethodNotAllowed, "this path has GET, HEAD only");
        let failure = failure.header(ALLOW, HeaderValue::from_static("GET, HEAD"));
        gateway::error_response(protos, failure)
    };
    let router = axum::Router::new()
        .route("/healthz", get(live).fallback(not_allowed))
        .route("/readyz", get(ready).fallback(not_allowed))
        .fallback_service(gateway);
    http::serve(listener, router, stopped(stop)).await;
    Ok(())
}
