//! The gRPC transport: the router of all services, and the server in front of it.

use tonic::{codec::CompressionEncoding, service::Routes};
use tonic_health::pb::health_server::{Health, HealthServer};

use super::{
    MAX_HEADER_BYTES, ServerError,
    connection::{KEEP_ALIVE_INTERVAL, KEEP_ALIVE_TIMEOUT, MAX_PENDING_RESETS},
    listener::Listener,
    transports::StopSignal,
};
use crate::{
    pb::{
        self, Protos,
        v1::{
            client_authentication_service_server::ClientAuthenticationServiceServer,
            o_auth_client_service_server::OAuthClientServiceServer,
        },
    },
    rpc::{
        client_authentication::ClientAuthentication,
        frame::MAX_MESSAGE_BYTES,
        oauth_client::OAuthClients,
        stack::{StackConfig, grpc_stack},
    },
};

/// Limits the messages of a service, which may be compressed. The limit is that of what comes out. The generated types
/// have these functions, but no trait in common.
macro_rules! limited {
    ($service:expr) => {
        $service
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .accept_compressed(CompressionEncoding::Gzip)
            .send_compressed(CompressionEncoding::Gzip)
    };
}

/// Returns the router of every service.
pub(super) fn routes(
    health: HealthServer<impl Health>,
    clients: OAuthClients,
    authentication: ClientAuthentication,
) -> Result<Routes, ServerError> {
    Ok(Routes::new(limited!(health))
        .add_service(limited!(OAuthClientServiceServer::new(clients)))
        .add_service(limited!(ClientAuthenticationServiceServer::new(authentication)))
        .add_service(limited!(reflection().build_v1()?))
        .add_service(limited!(reflection().build_v1alpha()?))
        .prepare())
}

fn reflection() -> tonic_reflection::server::Builder<'static> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(pb::DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        // Tools need it to show the details of errors.
        .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
}

/// Serves gRPC until `stop` completes and the requests in flight are done.
pub(super) async fn serve(
    listener: Listener,
    protos: &'static Protos,
    config: StackConfig,
    routes: Routes,
    stop: StopSignal,
) -> Result<(), ServerError> {
    let layers = tower::layer::layer_fn(move |routes| grpc_stack(config.clone(), protos, routes));
    tonic::transport::Server::builder()
        .http2_max_pending_accept_reset_streams(Some(MAX_PENDING_RESETS))
        .http2_max_header_list_size(Some(MAX_HEADER_BYTES))
        .http2_keepalive_interval(Some(KEEP_ALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEP_ALIVE_TIMEOUT))
        .layer(layers)
        .add_routes(routes)
        .serve_with_incoming_shutdown(listener.connections(), stop.stopped())
        .await
        .map_err(|error| ServerError::Serve(error.into()))
}
