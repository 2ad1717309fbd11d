//! The response to a panic of the service behind: the connection and its other requests live on.

use std::any::Any;

use http::Response;
use thiserror::Error;
use tonic::{Status, body::Body};
use tower_http::body::UnsyncBoxBody;

use crate::rpc::failure::Failure;

#[derive(Debug, Error)]
#[error("the handler panicked")]
struct Panicked;

/// Responds with `INTERNAL`. The panic hook has logged the message and the place.
pub(super) fn internal_error(_panic: Box<dyn Any + Send>) -> Response<Body> {
    Status::from(Failure::internal(Panicked)).into_http()
}

/// Undoes the boxing of [`CatchPanicLayer`](tower_http::catch_panic::CatchPanicLayer).
pub(super) fn tonic_body(response: Response<UnsyncBoxBody<bytes::Bytes, tower::BoxError>>) -> Response<Body> {
    response.map(Body::new)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http::Request;
    use tower::{Service as _, ServiceBuilder};
    use tower_http::catch_panic::CatchPanicLayer;

    use super::*;
    use crate::rpc::stack::{
        HttpService,
        filter::{Filter, Predicate},
    };

    async fn status_of(service: impl HttpService<()>) -> Status {
        let mut service = ServiceBuilder::new()
            .map_response(tonic_body)
            .layer(CatchPanicLayer::custom(internal_error))
            .service(service);
        let Ok(response) = service.call(Request::new(())).await;
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
