//! A step that looks at a call before its body is read, and lets it through or refuses it.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    task::{Context, Poll},
};

use futures_util::future::Either;
use http::{Request, Response};
use tonic::{Status, body::Body};
use tower::Service;

use crate::rpc::status::Failure;

/// What a [`Gate`] asks.
pub trait Check: Clone {
    /// Lets the call through, perhaps with more in its extensions.
    ///
    /// # Errors
    /// Why it is refused.
    fn check<B>(&self, request: &mut Request<B>) -> Result<(), Failure>;
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
    S: Service<Request<B>, Response = Response<Body>, Error = Infallible>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Either<S::Future, Ready<Result<Response<Body>, Infallible>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        match self.check.check(&mut request) {
            Ok(()) => Either::Left(self.inner.call(request)),
            Err(failure) => Either::Right(ready(Ok(Status::from(failure).into_http()))),
        }
    }
}
