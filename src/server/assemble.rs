//! Assembles the transports and their background tasks.

use std::{sync::Arc, time::Duration};

use tonic::service::Routes;
use tonic_health::pb::health_server::{Health, HealthServer};
use tower::util::BoxCloneSyncService;

use super::{
    Server, ServerError,
    background::Upkeep,
    drain::Running,
    grpc,
    http::{self, Connections},
    issuer::TrustedIssuer,
    lifetime::Lifetime,
    listener::Listener,
    readiness::Readiness,
    rest,
    transports::Transports,
};
use crate::{
    auth::TokenVerifier,
    config::ServerConfig,
    gateway::Gateway,
    limits::RateLimiter,
    pb::Protos,
    rpc::{
        client_authentication::ClientAuthentication,
        oauth_client::{OAuthClients, WatchRules},
        stack::{StackConfig, grpc_router},
    },
    store::Cutoff,
    tls::ListenerTls,
};

/// The maximum time from the age of a connection to its end, beside that of its last request.
const GRACE: Duration = Duration::from_mins(1);

/// The services, and the configuration of the stack in front of them.
struct Api {
    protos: &'static Protos,
    stack: StackConfig,
    routes: Routes,
    connections: Connections,
    reflection_timeout: Duration,
}

impl Server {
    /// Starts the transports and the background tasks.
    pub(super) async fn assemble(mut self) -> Result<Running, ServerError> {
        let (health, health_service) = tonic_health::server::health_reporter();
        let routes = self.routes(health_service)?;
        let tls = self.tls.as_ref();
        let grpc = Listener::new(self.grpc.tcp, tls.map(ListenerTls::grpc));
        let rest = self
            .rest
            .map(|socket| Listener::new(socket.tcp, tls.map(ListenerTls::rest)));

        let TrustedIssuer { keys, rules, keeper } = self.issuer;
        let readiness = Readiness::new(health, self.protos);
        readiness.set(keys.are_known()).await;
        let limiter = limiter(&self.config).await?;
        let stack = StackConfig {
            tokens: Arc::new(TokenVerifier::new(keys.clone(), rules)),
            limiter: limiter.clone(),
            request_timeout: self.config.call_timeout,
        };
        let limits = &self.config.connections;
        let api = Api {
            protos: self.protos,
            stack,
            routes,
            reflection_timeout: limits.reflection_timeout,
            connections: Connections {
                places: self.places,
                lifetime: Lifetime {
                    max_age: limits.max_age,
                    idle_timeout: limits.idle_timeout,
                    write_timeout: limits.write_timeout,
                    grace: self.config.call_timeout.saturating_add(GRACE),
                },
            },
        };
        let upkeep = Upkeep {
            store: self.database.store.clone(),
            cutoffs: vec![
                Cutoff::USED_ASSERTIONS,
                Cutoff::KEPT_RESPONSES,
                Cutoff::change_records(self.config.change_retention),
            ],
            watch: self.database.watch.take(),
            keys,
            keeper,
            readiness: readiness.clone(),
            limiter,
            tls: self.tls,
            metrics: self.metrics.map(|socket| socket.tcp),
        };
        Ok(Running {
            transports: api.serve(grpc, rest, &readiness)?,
            background: upkeep.start(),
            readiness,
            database: self.database,
            drain_delay: self.config.drain_delay,
            drain_timeout: self.config.drain_timeout,
        })
    }

    fn routes(&self, health: HealthServer<impl Health>) -> Result<Routes, ServerError> {
        let store = &self.database.store;
        grpc::routes(
            health,
            OAuthClients::new(store.clone(), &self.public_url(), self.watch_rules()),
            ClientAuthentication::new(store.clone(), self.config.max_assertion_lifetime),
        )
    }
}

impl Server {
    fn watch_rules(&self) -> WatchRules {
        WatchRules {
            streams: self.config.watch_streams,
            change_retention: self.config.change_retention,
        }
    }
}

impl Api {
    fn serve(
        self,
        grpc: Listener,
        rest: Option<Listener>,
        readiness: &Readiness,
    ) -> Result<Transports, ServerError> {
        let mut transports = Transports::new();
        if let Some(listener) = rest {
            let router = rest::router(self.protos, self.gateway()?, readiness.clone());
            let transport = rest::transport(self.protos, router);
            let connections = self.connections.clone();
            transports.spawn(|stop| http::serve(listener, transport, connections, stop));
        }
        let service = grpc::service(self.protos, self.stack, self.routes);
        let transport = grpc::transport(service, self.reflection_timeout);
        transports.spawn(|stop| http::serve(grpc, transport, self.connections, stop));
        Ok(transports)
    }

    fn gateway(&self) -> Result<Gateway, ServerError> {
        let in_process = BoxCloneSyncService::new(grpc_router(self.routes.clone()));
        Ok(Gateway::new(self.protos, self.stack.clone(), in_process)?)
    }
}

async fn limiter(config: &ServerConfig) -> Result<RateLimiter, ServerError> {
    match &config.redis_url {
        Some(redis) => RateLimiter::shared(config.quotas, redis.clone())
            .await
            .map_err(ServerError::Thread),
        None => Ok(RateLimiter::new(config.quotas)),
    }
}
