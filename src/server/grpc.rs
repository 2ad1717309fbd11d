//! The gRPC transport: the router of all services, and the stack in front of it.

use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use tonic::{Status, body::Body, codec::CompressionEncoding, service::Routes};
use tonic_health::pb::health_server::{Health, HealthServer};
use tower::ServiceBuilder;

use super::{
    ServerError,
    body::RequestBody,
    http::{RequestService, at_limit},
    tracked::{Ends, Transport},
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
        stack::{StackConfig, grpc_stack, request_id::with_id},
    },
};

const HEALTH_CHECK: &str = "/grpc.health.v1.Health/Check";
const HEALTH_WATCH: &str = "/grpc.health.v1.Health/Watch";
/// The prefix of the methods of reflection, of every version.
const REFLECTION: &str = "/grpc.reflection.";

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

/// Returns the service of gRPC requests.
pub(super) fn service(
    protos: &'static Protos,
    config: StackConfig,
    routes: Routes,
) -> impl RequestService<Body> {
    ServiceBuilder::new()
        .map_request(|request: Request<RequestBody>| request.map(Body::new))
        .service(grpc_stack(config, protos, routes))
}

/// Returns the transport of a service.
pub(super) fn transport<S>(service: S, reflection_timeout: Duration) -> Transport<S, Body> {
    let at_limit = |request: &Request<Incoming>| {
        let is_probe = request.uri().path() == HEALTH_CHECK;
        (!is_probe).then(|| with_id(request, Status::from(at_limit()).into_http()))
    };
    let ends = move |path: &str| match path {
        HEALTH_WATCH => Ends::WithResponses,
        path if path.starts_with(REFLECTION) => Ends::WithRequests(reflection_timeout),
        _ => Ends::ByItself,
    };
    Transport {
        service,
        http2_only: true,
        at_limit: Box::new(at_limit),
        ends: Box::new(ends),
    }
}
