//! The stack of layers that every request passes, on both transports.

mod authenticate;
mod authorize;
mod catch_panic;
mod compression;
pub(crate) mod deadline;
pub mod filter;
mod header_fields;
mod http_errors;
mod rate_limit;
mod rate_limit_headers;
pub mod request_id;
pub(crate) mod request_log;
pub mod resolve;
mod stream_log;
pub(crate) mod streams;
mod tonic_errors;
mod trace;
mod trailers;

use std::{convert::Infallible, sync::Arc, time::Duration};

use http::{Request, Response};
use tonic::body::Body;
use tower::{Service, ServiceBuilder, util::BoxCloneSyncService};

use self::{
    authenticate::Authenticate,
    authorize::Authorize,
    catch_panic::CatchPanic,
    deadline::{Deadline, RequireOneTimeout},
    filter::{Filter, Predicate, async_filter},
    header_fields::FillHeaderFields,
    rate_limit::RateLimit,
    rate_limit_headers::RateLimitHeaders,
    request_id::SetRequestId,
    resolve::ResolveMethod,
    streams::SuperviseStreams,
    trace::Trace,
};
use super::encoded;
use crate::{auth::TokenVerifier, limits::RateLimiter, pb::Protos};

/// The parts that the layers work with.
#[derive(Debug, Clone)]
pub struct StackConfig {
    /// Verifies the bearer tokens of callers.
    pub tokens: Arc<TokenVerifier>,
    /// Decides whether a caller is within its quota.
    pub limiter: RateLimiter,
    /// The longest time that a request may take.
    pub request_timeout: Duration,
}

/// A service of HTTP requests that never fails, but responds with an error.
pub trait HttpService<B>:
    Service<Request<B>, Response = Response<Body>, Error = Infallible, Future: Send + 'static> + Send + 'static
{
}

impl<S, B> HttpService<B> for S where
    S: Service<Request<B>, Response = Response<Body>, Error = Infallible, Future: Send + 'static>
        + Send
        + 'static
{
}

/// A service behind the stack.
pub type Stack<B> = BoxCloneSyncService<Request<B>, Response<Body>, Infallible>;

/// Puts the layers before a transport, from the outermost to the innermost. Their order is stated here and nowhere else.
///
/// None of them reads the body, and none boxes its future: only that of the whole stack is boxed. `resolve` is the transport's own: it finds the method of a request, and puts it into the
/// extensions as a [`CalledMethod`](resolve::CalledMethod). `inner` is the gRPC router on one transport, and what
/// transcodes requests for it on the other.
pub fn stack<P, S, B>(config: StackConfig, resolve: P, inner: S) -> Stack<B>
where
    P: Predicate,
    S: HttpService<B> + Clone + Sync,
    B: Send + 'static,
{
    let StackConfig {
        tokens,
        limiter,
        request_timeout,
    } = config;
    let stack = ServiceBuilder::new()
        .layer_fn(SetRequestId::new)
        .layer_fn(Trace::new)
        .layer_fn(RateLimitHeaders::new)
        .layer_fn(CatchPanic::new)
        .layer_fn(move |inner| Filter::new(resolve.clone(), inner))
        .layer_fn(|inner| Deadline::new(request_timeout, inner))
        .layer_fn(|inner| async_filter(Authenticate::new(tokens.clone()), inner))
        .layer_fn(|inner| Filter::new(Authorize, inner))
        .layer_fn(|inner| async_filter(RateLimit::new(limiter.clone()), inner))
        .service(inner);
    BoxCloneSyncService::new(stack)
}

/// Puts the layers before the gRPC router. Its errors go to gRPC clients, so they are shortened to what these accept.
pub fn grpc_stack(
    config: StackConfig,
    protos: &'static Protos,
    routes: impl HttpService<Body> + Clone + Sync,
) -> impl HttpService<Body> + Clone {
    ServiceBuilder::new()
        .map_response(http_errors::without_grpc)
        .map_response(trailers::shorten_error)
        .service(stack(config, ResolveMethod(protos), grpc_router(routes)))
}

/// Returns the gRPC router, whose errors are all of this service's own form.
pub fn grpc_router(routes: impl HttpService<Body> + Clone + Sync) -> impl HttpService<Body> + Clone + Sync {
    ServiceBuilder::new()
        .layer_fn(SuperviseStreams::new)
        .map_response(tonic_errors::translate)
        .map_response(encoded::send)
        .layer_fn(|inner| Filter::new(RequireOneTimeout, inner))
        .map_request(compression::follow_the_request)
        .layer_fn(FillHeaderFields::new)
        .service(routes)
}
