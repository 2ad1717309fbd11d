//! Supervises the streams of messages of the gRPC router, on behalf of both transports: after the headers of a response, no
//! other layer could still turn a deadline or a panic into a status.

use std::{
    convert::Infallible,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::{Body as HttpBody, Frame};
use pin_project_lite::pin_project;
use thiserror::Error;
use tonic::{Status, body::Body};
use tower::Service;

use super::{
    HttpService,
    catch_panic::Panicked,
    deadline::{EndsAt, Timer, deadline_exceeded},
    request_log::record_outcome,
    resolve::CalledMethod,
};
use crate::rpc::failure::Failure;

/// A stream of the router that breaks the protocol, which is a bug.
#[derive(Debug, Error)]
enum InvalidStream {
    #[error("the stream failed")]
    Body(#[source] Status),
    #[error("the stream ended without a status")]
    NoStatus,
}

/// Marks a response as a stream of messages whose status is recorded at its end.
#[derive(Debug, Clone, Copy)]
struct Stream;

/// Returns `true` if a response is a stream of messages, which ends later than its headers say.
pub(super) fn is_stream(response: &Response<Body>) -> bool {
    response.extensions().get::<Stream>().is_some()
}

/// Ends each stream with a status, at its deadline or after a panic too, and records that.
#[derive(Debug, Clone)]
pub(super) struct SuperviseStreams<S> {
    inner: S,
}

impl<S> SuperviseStreams<S> {
    pub(super) fn new(inner: S) -> Self {
        Self { inner }
    }
}

impl<S> Service<Request<Body>> for SuperviseStreams<S>
where
    S: HttpService<Body>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let extensions = request.extensions();
        let called = extensions.get::<CalledMethod>();
        ResponseFuture {
            streams: called.is_some_and(|called| called.is_server_streaming()),
            ends_at: extensions.get::<EndsAt>().copied(),
            inner: self.inner.call(request),
        }
    }
}

pin_project! {
    /// The future of a response, which may be a stream.
    pub(super) struct ResponseFuture<F> {
        #[pin]
        inner: F,
        streams: bool,
        ends_at: Option<EndsAt>,
    }
}

impl<F> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<Body>, Infallible>>,
{
    type Output = Result<Response<Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Ok(response) = ready!(this.inner.poll(cx));
        // With a status in the headers there is no stream.
        if !*this.streams || response.headers().contains_key(Status::GRPC_STATUS) {
            return Poll::Ready(Ok(response));
        }
        let timer = this.ends_at.map(EndsAt::timer);
        let mut response = response.map(|body| {
            Body::new(SupervisedStream {
                body: Some(body),
                timer,
            })
        });
        response.extensions_mut().insert(Stream);
        Poll::Ready(Ok(response))
    }
}

pin_project! {
    /// A stream that always ends with a status.
    struct SupervisedStream {
        // `None` after the status.
        body: Option<Body>,
        #[pin]
        timer: Option<Timer>,
    }
}

impl HttpBody for SupervisedStream {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.project();
        let Some(body) = this.body else {
            return Poll::Ready(None);
        };
        // The timer is first, as a stream that is always ready must end too.
        let timer = this.timer.as_pin_mut();
        let polled = match timer.map(|timer| timer.poll(cx)) {
            Some(Poll::Ready(())) => Poll::Ready(Err(deadline_exceeded())),
            Some(Poll::Pending) | None => next_frame(body, cx),
        };
        let frame = ready!(polled).unwrap_or_else(|failure| {
            let status = Status::from(failure);
            record_outcome(&status);
            Frame::trailers(trailers(&status))
        });
        if let Some(trailers) = frame.trailers_ref() {
            if let Some(status) = Status::from_header_map(trailers) {
                record_outcome(&status);
            }
            // Whatever the stream holds is released now, not when the response is sent.
            *this.body = None;
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_none()
    }
}

fn next_frame(body: &mut Body, cx: &mut Context<'_>) -> Poll<Result<Frame<Bytes>, Failure>> {
    let polled = catch_unwind(AssertUnwindSafe(|| Pin::new(body).poll_frame(cx)));
    Poll::Ready(match polled {
        Ok(Poll::Pending) => return Poll::Pending,
        Ok(Poll::Ready(Some(Ok(frame)))) if !is_trailers_without_status(&frame) => Ok(frame),
        Ok(Poll::Ready(Some(Err(status)))) => Err(Failure::internal(InvalidStream::Body(status))),
        Ok(Poll::Ready(Some(Ok(_)) | None)) => Err(Failure::internal(InvalidStream::NoStatus)),
        Err(_) => Err(Failure::internal(Panicked)),
    })
}

fn is_trailers_without_status(frame: &Frame<Bytes>) -> bool {
    let trailers = frame.trailers_ref();
    trailers.is_some_and(|trailers| !trailers.contains_key(Status::GRPC_STATUS))
}

fn trailers(status: &Status) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    if status.add_header(&mut trailers).is_err() {
        let code = HeaderValue::from(i32::from(status.code()));
        trailers.insert(Status::GRPC_STATUS, code);
    }
    trailers
}
