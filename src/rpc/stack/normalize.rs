//! Errors that tonic makes by itself, before a handler runs, get the code and reason that callers can count on.

use std::{
    convert::Infallible,
    task::{Context, Poll},
};

use futures_util::{FutureExt as _, future::Map};
use http::{Request, Response};
use tonic::{Code, Status, body::Body};
use tower::Service;

use crate::{pb::v1::ErrorReason, rpc::status::Failure};

/// Translates the errors of the gRPC router that carry no reason.
#[derive(Debug, Clone)]
pub struct Normalize<S> {
    inner: S,
}

impl<S> Normalize<S> {
    /// A router whose errors all carry a reason.
    pub fn new(inner: S) -> Self {
        Self { inner }
    }
}

type Answer = Result<Response<Body>, Infallible>;

impl<S, B> Service<Request<B>> for Normalize<S>
where
    S: Service<Request<B>, Response = Response<Body>, Error = Infallible>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Map<S::Future, fn(Answer) -> Answer>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        self.inner.call(request).map(|Ok(answer)| Ok(normalize(answer)))
    }
}

fn normalize(answer: Response<Body>) -> Response<Body> {
    let Some(status) = Status::from_header_map(answer.headers()) else {
        return answer;
    };
    // Every error of this server has details, so one without is tonic's.
    if !status.details().is_empty() {
        return answer;
    }
    match status.code() {
        // A message that cannot be decoded is the caller's mistake, though tonic calls it its own.
        Code::Internal => refuse(ErrorReason::InvalidField, "the message cannot be decoded"),
        Code::OutOfRange => refuse(ErrorReason::BodyTooLarge, "the message is larger than 1 MiB"),
        _ => answer,
    }
}

fn refuse(reason: ErrorReason, detail: &str) -> Response<Body> {
    Status::from(Failure::new(reason, detail)).into_http()
}
