//! A panic in a handler becomes an answer, and the connection with its other calls lives on.

use std::{
    convert::Infallible,
    future::ready,
    panic::{AssertUnwindSafe, catch_unwind},
    task::{Context, Poll},
};

use futures_util::{FutureExt as _, future::BoxFuture};
use http::{Request, Response};
use thiserror::Error;
use tonic::{Status, body::Body};
use tower::Service;

use crate::rpc::failure::Failure;

/// Answers `INTERNAL` when the inner service panics.
#[derive(Debug, Clone)]
pub struct CatchPanic<S> {
    inner: S,
}

/// The panic hook has logged its message and place already.
#[derive(Debug, Error)]
#[error("the handler panicked")]
struct Panicked;

impl<S> CatchPanic<S> {
    /// A service that never panics.
    pub fn new(inner: S) -> Self {
        Self { inner }
    }
}

impl<S, B> Service<Request<B>> for CatchPanic<S>
where
    S: Service<Request<B>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The layers behind act in `call` already, before there is a future.
        match catch_unwind(AssertUnwindSafe(|| self.inner.call(request))) {
            Ok(answer) => {
                let answer = AssertUnwindSafe(answer).catch_unwind();
                Box::pin(answer.map(|outcome| outcome.unwrap_or_else(|_| Ok(internal_error()))))
            }
            Err(_) => Box::pin(ready(Ok(internal_error()))),
        }
    }
}

fn internal_error() -> Response<Body> {
    Status::from(Failure::internal(Panicked)).into_http()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rpc::stack::gate::{Check, Gate};

    #[tokio::test]
    async fn a_panic_becomes_an_internal_error_that_does_not_say_it() {
        async fn handler(_: Request<()>) -> Result<Response<Body>, Infallible> {
            panic!("secret")
        }
        let Ok(answer) = CatchPanic::new(tower::service_fn(handler))
            .call(Request::new(()))
            .await;
        let status = Status::from_header_map(answer.headers()).unwrap();
        assert_eq!(status.code(), tonic::Code::Internal);
        assert!(!format!("{answer:?}").contains("secret"));
    }

    #[tokio::test]
    async fn a_panic_before_there_is_a_future_is_caught_too() {
        #[derive(Clone)]
        struct Broken;

        impl Check for Broken {
            async fn check<B: Send>(&self, _: &mut Request<B>) -> Result<(), Failure> {
                panic!("secret")
            }
        }

        let never =
            tower::service_fn(|_: Request<()>| std::future::pending::<Result<Response<Body>, Infallible>>());
        let Ok(answer) = CatchPanic::new(Gate::new(Broken, never))
            .call(Request::new(()))
            .await;
        let status = Status::from_header_map(answer.headers()).unwrap();
        assert_eq!(status.code(), tonic::Code::Internal);
    }
}
