//! Serves HTTP/1.1 and HTTP/2. Unlike `axum::serve`, it limits how long the head of a request may take, and responds to a
//! peer that closes its half of the connection after the request, unless the response is a stream.

use std::{
    task::{Context, Poll},
    time::Duration,
};

use ::http::{Request, Version};
use axum::Router;
use futures_util::future::Either;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use tokio::task::futures::TaskLocalFuture;
use tower::Service;

use super::{
    MAX_HEADER_BYTES,
    connection::{Connection, KEEP_ALIVE_INTERVAL, KEEP_ALIVE_TIMEOUT},
    listener::Listener,
};
use crate::gateway::PeerPresence;

/// The maximum duration of the head of a request. On HTTP/1.1 the idle time before it counts too.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);

/// Serves connections until `stop` completes and the requests in flight are done.
pub(super) async fn serve(mut listener: Listener, router: Router, stop: impl Future<Output = ()>) {
    let connections = GracefulShutdown::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            connection = listener.accept() => serve_connection(connection, router.clone(), &connections),
        }
    }
    drop(listener);
    connections.shutdown().await;
}

fn serve_connection(connection: Connection, router: Router, connections: &GracefulShutdown) {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .half_close(true);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(MAX_HEADER_BYTES)
        .keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT);
    let service = TowerToHyperService::new(RequirePeer {
        peer: connection.peer(),
        inner: router,
    });
    let connection = builder
        .serve_connection(TokioIo::new(connection), service)
        .into_owned();
    let watched = connections.watch(connection);
    tokio::spawn(async move {
        if let Err(error) = watched.await {
            // The peer closed it, or did not speak HTTP.
            tracing::debug!(error, "connection ended early");
        }
    });
}

/// Lets requests on HTTP/1.1 require the presence of the peer.
#[derive(Debug, Clone)]
struct RequirePeer<S> {
    peer: PeerPresence,
    inner: S,
}

impl<S, B> Service<Request<B>> for RequirePeer<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Either<TaskLocalFuture<PeerPresence, S::Future>, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let is_http2 = request.version() == Version::HTTP_2;
        let response = self.inner.call(request);
        if is_http2 {
            Either::Right(response)
        } else {
            Either::Left(self.peer.scope(response))
        }
    }
}
