//! The REST transport: the gateway, and the probes of liveness and readiness.

use ::http::{HeaderValue, header::ALLOW};
use axum::{
    Router,
    body::Body,
    extract::Request,
    middleware::{self, Next},
    response::IntoResponse as _,
    routing::get,
};
use hyper::body::Incoming;

use super::{
    http::at_limit,
    readiness::{READINESS_INTERVAL, Readiness},
    tracked::{Ends, Transport},
};
use crate::{
    gateway::{self, Gateway},
    pb::{Protos, v1::ErrorReason},
    rpc::{failure::Failure, stack::request_id::with_id},
};

const LIVE: &str = "/healthz";
const READY: &str = "/readyz";

/// Returns the service of REST requests.
pub(super) fn router(protos: &'static Protos, gateway: Gateway, readiness: Readiness) -> Router {
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
    let require_host = async move |request: Request, next: Next| match gateway::require_host(&request) {
        Ok(()) => next.run(request).await,
        Err(error) => gateway::error_response(protos, error.into()).into_response(),
    };
    Router::new()
        .route(LIVE, get(live).fallback(not_allowed))
        .route(READY, get(ready).fallback(not_allowed))
        .route_layer(middleware::from_fn(require_host))
        .fallback_service(gateway)
}

/// Returns the transport of a service.
pub(super) fn transport(protos: &'static Protos, router: Router) -> Transport<Router, Body> {
    let at_limit = move |request: &hyper::Request<Incoming>| {
        let is_probe = [LIVE, READY].contains(&request.uri().path());
        (!is_probe).then(|| with_id(request, gateway::error_response(protos, at_limit())).map(Body::new))
    };
    Transport {
        service: router,
        http2_only: false,
        at_limit: Box::new(at_limit),
        ends: Box::new(|_| Ends::ByItself),
    }
}
