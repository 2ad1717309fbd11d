//! A step that looks at a call before its body is read, and lets it through or refuses it.

use std::{
    convert::Infallible,
    mem,
    task::{Context, Poll},
};

use futures_util::future::BoxFuture;
use http::{Request, Response};
use tonic::{Status, body::Body};
use tower::Service;

use crate::rpc::failure::Failure;

/// What a [`Gate`] asks.
pub trait Check: Clone + Send + Sync + 'static {
    /// Lets the call through, perhaps with more in its extensions.
    ///
    /// # Errors
    /// Why it is refused.
    fn check<B: Send>(&self, request: &mut Request<B>) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// Lets a call through to the inner service if the check does.
#[derive(Debug, Clone)]
pub struct Gate<C, S> {
    check: C,
    inner: S,
}

impl<C, S> Gate<C, S> {
    /// A gate before a service.
    pub fn new(check: C, inner: S) -> Self {
        Self { check, inner }
    }
}

impl<C, S, B> Service<Request<B>> for Gate<C, S>
where
    C: Check,
    S: Service<Request<B>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let check = self.check.clone();
        // The clone was not polled ready, the one that was goes along.
        let clone = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, clone);
        Box::pin(async move {
            match check.check(&mut request).await {
                Ok(()) => inner.call(request).await,
                Err(failure) => Ok(Status::from(failure).into_http()),
            }
        })
    }
}
