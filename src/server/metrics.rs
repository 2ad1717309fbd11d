//! The listener of the metrics, for Prometheus. It speaks HTTP/1.1 without TLS, one request a connection, and has nothing
//! that belongs to a tenant.

use std::{convert::Infallible, time::Duration};

use ::http::{
    HeaderValue, Method, Request, Response, StatusCode,
    header::{ALLOW, CONTENT_TYPE},
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{net::TcpStream, task::JoinSet};

use super::listener::Listener;
use crate::{error_chain::error_chain, gateway::require_host, telemetry::prometheus};

/// The most connections at a time. Further ones wait to be accepted.
const MAX_CONNECTIONS: usize = 8;
/// The maximum duration of a connection.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The size of the largest head of a request.
const MAX_HEAD_BYTES: usize = 16 * 1024;

const PATH: &str = "/metrics";
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// Responds to scrapes until it is dropped.
pub(super) async fn serve(listener: &mut Listener) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            stream = listener.accept(), if connections.len() < MAX_CONNECTIONS => {
                connections.spawn(tokio::time::timeout(TIMEOUT, serve_connection(stream)));
            }
            Some(_ended) = connections.join_next() => {}
        }
    }
}

async fn serve_connection(stream: TcpStream) {
    let mut builder = auto::Builder::new(TokioExecutor::new()).http1_only();
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(TIMEOUT)
        .max_buf_size(MAX_HEAD_BYTES)
        .half_close(true)
        // A connection that is kept would count while it is idle.
        .keep_alive(false);
    let service = tower::service_fn(async |request| Ok::<_, Infallible>(respond(&request)));
    let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    if let Err(error) = connection.await {
        tracing::debug!(error, "scrape ended early");
    }
}

fn respond<B>(request: &Request<B>) -> Response<String> {
    if require_host(request).is_err() {
        return text(StatusCode::BAD_REQUEST, "one Host header is required\n");
    }
    if request.uri().path() != PATH {
        return text(StatusCode::NOT_FOUND, "only /metrics is here\n");
    }
    if request.method() != Method::GET {
        let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "/metrics has GET only\n");
        response
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("GET"));
        return response;
    }
    match prometheus::text() {
        Ok(metrics) => {
            let mut response = text(StatusCode::OK, metrics);
            let format = HeaderValue::from_static(prometheus::TEXT_FORMAT);
            response.headers_mut().insert(CONTENT_TYPE, format);
            response
        }
        Err(error) => {
            tracing::error!(cause = error_chain(&error), "metrics not written");
            text(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the metrics cannot be written\n",
            )
        }
    }
}

fn text(status: StatusCode, body: impl Into<String>) -> Response<String> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, TEXT);
    response
}
