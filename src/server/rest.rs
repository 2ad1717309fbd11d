//! The REST transport: the gateway, and the probes of liveness and readiness.

use ::http::{HeaderValue, header::ALLOW};
use axum::{
    extract::Request,
    middleware::{self, Next},
    response::IntoResponse as _,
    routing::get,
};

use super::{
    ServerError, http,
    listener::Listener,
    readiness::{READINESS_INTERVAL, Readiness},
    transports::StopSignal,
};
use crate::{
    gateway::{self, Gateway},
    pb::{Protos, v1::ErrorReason},
    rpc::failure::Failure,
};

/// Serves REST until `stop` completes and the requests in flight are done.
pub(super) async fn serve(
    listener: Listener,
    protos: &'static Protos,
    gateway: Gateway,
    readiness: Readiness,
    stop: StopSignal,
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
    let require_host = async move |request: Request, next: Next| match gateway::require_host(&request) {
        Ok(()) => next.run(request).await,
        Err(error) => gateway::error_response(protos, error.into()).into_response(),
    };
    let router = axum::Router::new()
        .route("/healthz", get(live).fallback(not_allowed))
        .route("/readyz", get(ready).fallback(not_allowed))
        .route_layer(middleware::from_fn(require_host))
        .fallback_service(gateway);
    http::serve(listener, router, stop.stopped()).await;
    Ok(())
}
