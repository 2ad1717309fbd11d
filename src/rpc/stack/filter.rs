//! Services that admit requests to the service behind them, or refuse them. Unlike those of `tower::filter`, they respond
//! to a refused request instead of returning an error.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    mem,
    task::{Context, Poll},
};

use futures_util::future::{BoxFuture, Either};
use http::{Request, Response};
use tonic::{Status, body::Body};
use tower::Service;

use super::HttpService;
use crate::rpc::failure::Failure;

/// Decides at once whether a request is admitted.
pub trait Predicate: Clone + Send + Sync + 'static {
    /// Admits a request, perhaps with more in its extensions.
    ///
    /// # Errors
    /// Returns the failure to respond with if the request is not admitted.
    fn check<B>(&self, request: &mut Request<B>) -> Result<(), Failure>;
}

/// Decides whether a request is admitted, and may wait.
pub(super) trait AsyncPredicate: Clone + Send + Sync + 'static {
    /// Admits a request, perhaps with more in its extensions.
    ///
    /// # Errors
    /// Returns the failure to respond with if the request is not admitted.
    fn check<B: Send>(&self, request: &mut Request<B>) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// Admits the requests that a [`Predicate`] admits.
#[derive(Debug, Clone)]
pub(super) struct Filter<S, P> {
    inner: S,
    predicate: P,
}

/// Admits the requests that an [`AsyncPredicate`] admits.
#[derive(Debug, Clone)]
pub(super) struct AsyncFilter<S, P> {
    inner: S,
    predicate: P,
}

impl<S, P> Filter<S, P> {
    pub(super) fn new(predicate: P, inner: S) -> Self {
        Self { inner, predicate }
    }
}

impl<S, P> AsyncFilter<S, P> {
    pub(super) fn new(predicate: P, inner: S) -> Self {
        Self { inner, predicate }
    }
}

type Outcome = Result<Response<Body>, Infallible>;

impl<S, P, B> Service<Request<B>> for Filter<S, P>
where
    S: HttpService<B>,
    P: Predicate,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Either<S::Future, Ready<Outcome>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        match self.predicate.check(&mut request) {
            Ok(()) => Either::Left(self.inner.call(request)),
            Err(failure) => Either::Right(ready(Ok(Status::from(failure).into_http()))),
        }
    }
}

impl<S, P, B> Service<Request<B>> for AsyncFilter<S, P>
where
    S: HttpService<B> + Clone,
    P: AsyncPredicate,
    B: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Outcome>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let predicate = self.predicate.clone();
        // The service that was polled ready is the one to call, not its clone.
        let clone = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, clone);
        Box::pin(async move {
            match predicate.check(&mut request).await {
                Ok(()) => inner.call(request).await,
                Err(failure) => Ok(Status::from(failure).into_http()),
            }
        })
    }
}
