//! The response to a panic of the service behind: the connection and its other requests live on.

use std::{
    any::Any,
    convert::Infallible,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_util::{FutureExt as _, future::CatchUnwind};
use http::{Request, Response};
use pin_project_lite::pin_project;
use thiserror::Error;
use tonic::{Status, body::Body};
use tower::Service;

use super::HttpService;
use crate::rpc::failure::Failure;

#[derive(Debug, Error)]
#[error("the handler panicked")]
pub(super) struct Panicked;

/// Responds with `INTERNAL` if the inner service panics. The panic hook has logged the message and the place.
#[derive(Debug, Clone)]
pub(super) struct CatchPanic<S> {
    inner: S,
}

impl<S> CatchPanic<S> {
    pub(super) fn new(inner: S) -> Self {
        Self { inner }
    }
}

impl<S, B> Service<Request<B>> for CatchPanic<S>
where
    S: HttpService<B>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let response = catch_unwind(AssertUnwindSafe(|| self.inner.call(request)));
        ResponseFuture {
            inner: response
                .ok()
                .map(|response| AssertUnwindSafe(response).catch_unwind()),
        }
    }
}

pin_project! {
    /// The future of a response, or `None` if making it panicked.
    pub(super) struct ResponseFuture<F> {
        #[pin]
        inner: Option<CatchUnwind<AssertUnwindSafe<F>>>,
    }
}

impl<F> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<Body>, Infallible>>,
{
    type Output = Result<Response<Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let outcome: Result<_, Box<dyn Any + Send>> = match self.project().inner.as_pin_mut() {
            Some(response) => ready!(response.poll(cx)),
            None => Ok(Ok(internal_error())),
        };
        Poll::Ready(outcome.unwrap_or_else(|_| Ok(internal_error())))
    }
}

fn internal_error() -> Response<Body> {
    Status::from(Failure::internal(Panicked)).into_http()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rpc::stack::filter::{Filter, Predicate};

    async fn status_of(service: impl HttpService<()>) -> Status {
        let Ok(response) = CatchPanic::new(service).call(Request::new(())).await;
        assert!(!format!("{response:?}").contains("secret"));
        Status::from_header_map(response.headers()).unwrap()
    }

    #[tokio::test]
    async fn a_panic_becomes_an_internal_error_without_its_message() {
        async fn handler(_: Request<()>) -> Result<Response<Body>, Infallible> {
            panic!("secret")
        }
        let status = status_of(tower::service_fn(handler)).await;
        assert_eq!(status.code(), tonic::Code::Internal);
    }

    #[tokio::test]
    async fn a_panic_before_there_is_a_future_is_caught_too() {
        #[derive(Clone)]
        struct Broken;

        impl Predicate for Broken {
            fn check<B>(&self, _: &mut Request<B>) -> Result<(), Failure> {
                panic!("secret")
            }
        }

        let never =
            tower::service_fn(|_: Request<()>| std::future::pending::<Result<Response<Body>, Infallible>>());
        let status = status_of(Filter::new(Broken, never)).await;
        assert_eq!(status.code(), tonic::Code::Internal);
    }
}
