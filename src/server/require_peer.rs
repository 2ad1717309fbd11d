//! Requests on HTTP/1.1 that require the presence of their peer.

use std::task::{Context, Poll};

use futures_util::future::Either;
use http::{Request, Version};
use tokio::task::futures::TaskLocalFuture;
use tower::Service;

use crate::gateway::PeerPresence;

/// Lets requests on HTTP/1.1 require the presence of the peer.
#[derive(Debug, Clone)]
pub(super) struct RequirePeer<S> {
    pub(super) peer: PeerPresence,
    pub(super) inner: S,
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
