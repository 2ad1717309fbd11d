//! The deadline of a request: the caller's `grpc-timeout`, or the server's own limit if that is shorter. A stream of
//! messages has only the deadline of its caller.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use http::{HeaderMap, Request, Response};
use pin_project_lite::pin_project;
use tokio::{
    task::coop::{Unconstrained, unconstrained},
    time::{Instant, Sleep, sleep_until},
};
use tonic::{Status, body::Body};
use tower::Service;

use super::{HttpService, filter::Predicate, resolve::CalledMethod};
use crate::{pb::v1::ErrorReason, rpc::failure::Failure, single_header::single_header};

const GRPC_TIMEOUT: &str = "grpc-timeout";

/// The response has to be on its way before the caller's own timer ends.
const RESPONSE_MARGIN: Duration = Duration::from_millis(5);

/// A timer that does not depend on the budget of its task: inner work that uses that up must not keep the timer from ending
/// the work.
pub(super) type Timer = Unconstrained<Sleep>;

/// The time at which a request ends, in its extensions. A stream of messages may have none.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EndsAt(Instant);

impl EndsAt {
    /// Returns the time that is left.
    pub(crate) fn left(self) -> Duration {
        self.0.saturating_duration_since(now())
    }

    /// Returns a timer that ends at this time.
    pub(super) fn timer(self) -> Timer {
        unconstrained(sleep_until(self.0))
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a deadline counts from the receipt of the request"
)]
fn now() -> Instant {
    Instant::now()
}

/// Responds with `DEADLINE_EXCEEDED` and drops the work of the inner service if that takes too long.
#[derive(Debug, Clone)]
pub(super) struct Deadline<S> {
    limit: Duration,
    inner: S,
}

impl<S> Deadline<S> {
    pub(super) fn new(limit: Duration, inner: S) -> Self {
        Self { limit, inner }
    }
}

impl<S, B> Service<Request<B>> for Deadline<S>
where
    S: HttpService<B>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let allowed = grpc_timeout(request.headers())
            .map(|timeout| timeout.saturating_sub(RESPONSE_MARGIN.min(timeout / 2)));
        let called = request.extensions().get::<CalledMethod>();
        let limit = if called.is_some_and(|called| called.is_server_streaming()) {
            allowed
        } else {
            Some(allowed.map_or(self.limit, |allowed| allowed.min(self.limit)))
        };
        let ends_at = limit.map(|limit| EndsAt(now() + limit));
        if let Some(ends_at) = ends_at {
            request.extensions_mut().insert(ends_at);
        }
        ResponseFuture {
            inner: self.inner.call(request),
            ends_at,
            timer: None,
        }
    }
}

pin_project! {
    /// The future of a response, which ends at a time. There is no timer for a response that is there at once.
    pub(super) struct ResponseFuture<F> {
        #[pin]
        inner: F,
        ends_at: Option<EndsAt>,
        #[pin]
        timer: Option<Timer>,
    }
}

impl<F> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<Body>, Infallible>>,
{
    type Output = Result<Response<Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Poll::Ready(response) = this.inner.poll(cx) {
            return Poll::Ready(response);
        }
        if this.timer.is_none() {
            this.timer.set(this.ends_at.map(EndsAt::timer));
        }
        match this.timer.as_pin_mut().map(|timer| timer.poll(cx)) {
            Some(Poll::Ready(())) => Poll::Ready(Ok(Status::from(deadline_exceeded()).into_http())),
            Some(Poll::Pending) | None => Poll::Pending,
        }
    }
}

/// Requires that a request has no more than one timeout. It is innermost, as a caller that is not known or not within its
/// quota is refused first.
#[derive(Debug, Clone, Copy)]
pub(super) struct RequireOneTimeout;

impl Predicate for RequireOneTimeout {
    fn check<B>(&self, request: &mut Request<B>) -> Result<(), Failure> {
        match single_header(request.headers(), GRPC_TIMEOUT) {
            Ok(_) => Ok(()),
            Err(different) => Err(Failure::field(
                ErrorReason::InvalidField,
                GRPC_TIMEOUT,
                different.to_string(),
            )),
        }
    }
}

pub(crate) fn deadline_exceeded() -> Failure {
    Failure::new(
        ErrorReason::DeadlineExceeded,
        "the request did not complete before its deadline",
    )
}

/// Returns the timeout of the gRPC protocol, up to eight digits and a unit, or `None` if it is malformed.
fn grpc_timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = single_header(headers, GRPC_TIMEOUT).ok()??.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(number * 3_600)),
        "M" => Some(Duration::from_secs(number * 60)),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn parse(text: &str) -> Option<Duration> {
        grpc_timeout(&HeaderMap::from_iter([(
            "grpc-timeout".parse().unwrap(),
            text.parse().unwrap(),
        )]))
    }

    #[test]
    fn a_timeout_is_digits_and_a_unit() {
        assert_eq!(parse("2H"), Some(Duration::from_hours(2)));
        assert_eq!(parse("3M"), Some(Duration::from_mins(3)));
        assert_eq!(parse("42S"), Some(Duration::from_secs(42)));
        assert_eq!(parse("42m"), Some(Duration::from_millis(42)));
        assert_eq!(parse("42u"), Some(Duration::from_micros(42)));
        assert_eq!(parse("99999999n"), Some(Duration::from_nanos(99_999_999)));
        for text in ["", "S", "42", "+1S", "-1S", "1s", "1 S", "123456789S", "0x1S"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_ends_before_the_timeout_of_its_caller() {
        let never =
            tower::service_fn(|_: Request<()>| std::future::pending::<Result<Response<Body>, Infallible>>());
        let mut service = Deadline::new(Duration::from_mins(1), never);
        for (timeout, limit) in [("100m", 95), ("4m", 2), ("5M", 60_000)] {
            let started = Instant::now();
            let request = Request::builder()
                .header("grpc-timeout", timeout)
                .body(())
                .unwrap();
            let Ok(response) = service.call(request).await;
            assert_eq!(started.elapsed().as_millis(), limit, "{timeout}");
            let status = Status::from_header_map(response.headers()).unwrap();
            assert_eq!(status.code(), tonic::Code::DeadlineExceeded);
        }
    }
    #[test]
    fn a_response_that_is_there_at_once_needs_no_timer() {
        let ready = tower::service_fn(async |_: Request<()>| Ok(Response::new(Body::empty())));
        let response = Deadline::new(Duration::from_mins(1), ready).call(Request::new(()));
        // Outside of a runtime, making a timer panics.
        response.now_or_never().unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_request_that_uses_up_the_budget_of_its_task_ends_too() {
        let greedy = tower::service_fn(async |_: Request<()>| {
            let started = Instant::now();
            while started.elapsed() < Duration::from_secs(5) {
                tokio::task::coop::consume_budget().await;
            }
            Ok(Response::new(Body::empty()))
        });
        let Ok(response) = Deadline::new(Duration::from_millis(10), greedy)
            .call(Request::new(()))
            .await;
        assert!(Status::from_header_map(response.headers()).is_some());
    }
}
