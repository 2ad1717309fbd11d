//! Servers that do nothing: tonic and axum without layers. The size of their responses can be set.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use axum::{Router, serve::ListenerExt as _};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::CONTENT_TYPE;
use tokio::net::TcpListener;
use tonic::{
    Response, Status,
    body::Body,
    server::{Grpc, NamedService},
    transport::{Server, server::TcpIncoming},
};
use tower::Service;

use crate::{
    codec::BytesCodec,
    support::{ANY_PORT, Outcome},
};

/// The path of the only method.
pub(crate) const PATH: &str = "/load.NoOp/Answer";
static ZEROS: [u8; 1 << 20] = [0; 1 << 20];

/// Both servers. They serve for as long as the runtime that they were started on exists.
pub(crate) struct NoOp {
    pub(crate) grpc: SocketAddr,
    pub(crate) rest: SocketAddr,
    size: ResponseSize,
}

impl NoOp {
    pub(crate) async fn start() -> Outcome<Self> {
        let size = ResponseSize::default();
        let incoming = TcpIncoming::bind(ANY_PORT)?.with_nodelay(Some(true));
        let grpc = incoming.local_addr()?;
        let service = NoOpService(size.clone());
        tokio::spawn(
            Server::builder()
                .add_service(service)
                .serve_with_incoming(incoming),
        );
        let listener = TcpListener::bind(ANY_PORT).await?;
        let rest = listener.local_addr()?;
        tokio::spawn(serve_rest(listener, size.clone()));
        Ok(Self { grpc, rest, size })
    }

    /// Sets the size of a response in bytes.
    pub(crate) fn set_response_size(&self, bytes: usize) {
        self.size.0.store(bytes, Ordering::Relaxed);
    }
}

/// The size of a response in bytes.
#[derive(Clone, Default)]
struct ResponseSize(Arc<AtomicUsize>);

impl ResponseSize {
    fn bytes(&self) -> Bytes {
        let length = self.0.load(Ordering::Relaxed);
        Bytes::from_static(ZEROS.get(..length).unwrap_or(&ZEROS))
    }
}

async fn serve_rest(listener: TcpListener, size: ResponseSize) -> Result<(), std::io::Error> {
    let listener = listener.tap_io(|stream| {
        // Without it, responses are only slower.
        let _unset = stream.set_nodelay(true);
    });
    let router = Router::new().fallback(async move |_body: Bytes| {
        let json = [(CONTENT_TYPE, "application/json")];
        (json, size.bytes())
    });
    axum::serve(listener, router).await
}

#[derive(Clone)]
struct NoOpService(ResponseSize);

impl NamedService for NoOpService {
    const NAME: &'static str = "load.NoOp";
}

impl Service<http::Request<Body>> for NoOpService {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let method = Method(self.0.clone());
        Box::pin(async move { Ok(Grpc::new(BytesCodec).unary(method, request).await) })
    }
}

struct Method(ResponseSize);

impl tonic::server::UnaryService<Bytes> for Method {
    type Response = Bytes;
    type Future = Ready<Result<Response<Bytes>, Status>>;

    fn call(&mut self, _request: tonic::Request<Bytes>) -> Self::Future {
        ready(Ok(Response::new(self.0.bytes())))
    }
}
