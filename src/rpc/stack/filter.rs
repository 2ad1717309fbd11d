//! Services that admit requests to the service behind them, or refuse them. Unlike those of `tower::filter`, they respond
//! to a refused request instead of returning an error.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    task::{Context, Poll},
};

use futures_util::future::Either;
use http::{Request, Response};
use tonic::{Status, body::Body};
use tower::{Service, ServiceExt as _};

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

impl<S, P> Filter<S, P> {
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

/// Admits the requests that an [`AsyncPredicate`] admits. The future is part of the one of the whole stack: it is not boxed.
pub(super) fn async_filter<P, S, B>(predicate: P, inner: S) -> impl HttpService<B> + Clone + Sync
where
    P: AsyncPredicate,
    S: HttpService<B> + Clone + Sync,
    B: Send + 'static,
{
    tower::service_fn(move |mut request: Request<B>| {
        let (predicate, inner) = (predicate.clone(), inner.clone());
        async move {
            match predicate.check(&mut request).await {
                Ok(()) => inner.oneshot(request).await,
                Err(failure) => Ok(Status::from(failure).into_http()),
            }
        }
    })
}
