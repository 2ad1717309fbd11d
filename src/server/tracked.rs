//! The service of one connection, which keeps track of its requests.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_util::future::{Either, Ready, ready as respond};
use http::{HeaderValue, Request, Response, Version, header::CONNECTION};
use hyper::{body::Incoming, service::Service};
use hyper_util::service::TowerToHyperService;
use pin_project_lite::pin_project;

use super::{
    body::{RequestBody, ResponseBody, StreamEnd},
    require_peer::RequirePeer,
    state::{ConnectionState, InFlight},
};

/// How a method ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ends {
    /// By itself.
    ByItself,
    /// With its requests, which end after a time, or when the connection retires. It responds to the last one.
    WithRequests(Duration),
    /// With its responses, which end when the connection retires.
    WithResponses,
}

/// Returns the response to a request on a connection beyond the limit; `None` for a probe, which is served.
pub(super) type AtLimit<B> = Box<dyn Fn(&Request<Incoming>) -> Option<Response<B>> + Send + Sync>;

/// The service of a transport, and its rules for connections.
pub(super) struct Transport<S, B> {
    /// The service of requests.
    pub(super) service: S,
    /// `true` if a connection speaks HTTP/2 only.
    pub(super) http2_only: bool,
    /// Serves probes alone on connections beyond the limit.
    pub(super) at_limit: AtLimit<B>,
    /// Returns how the method at a path ends.
    pub(super) ends: Box<dyn Fn(&str) -> Ends + Send + Sync>,
}

/// The service of a connection.
pub(super) struct Tracked<S, B> {
    pub(super) transport: Arc<Transport<S, B>>,
    pub(super) service: TowerToHyperService<RequirePeer<S>>,
    pub(super) state: Arc<ConnectionState>,
    /// The connection is beyond the limit.
    pub(super) probes_only: bool,
}

/// The response of a transport, or one of its place.
type Inner<S, B> = Either<
    Ready<Result<Response<B>, Infallible>>,
    <TowerToHyperService<RequirePeer<S>> as Service<Request<RequestBody>>>::Future,
>;

impl<S, B> Tracked<S, B> {
    /// Returns the ends of the requests and the responses of the method at a path.
    fn ends(&self, path: &str) -> (StreamEnd, StreamEnd) {
        match (self.transport.ends)(path) {
            Ends::ByItself => (None, None),
            Ends::WithRequests(limit) => {
                let retirement = self.state.retirement();
                let end = async move {
                    // Either way it has ended.
                    let _late = tokio::time::timeout(limit, retirement).await;
                };
                (Some(Box::pin(end)), None)
            }
            Ends::WithResponses => (None, Some(Box::pin(self.state.retirement()))),
        }
    }
}

impl<S, B> Service<Request<Incoming>> for Tracked<S, B>
where
    S: tower::Service<Request<RequestBody>, Response = Response<B>, Error = Infallible> + Clone,
{
    type Response = Response<ResponseBody<B>>;
    type Error = Infallible;
    type Future = ResponseFuture<Inner<S, B>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let version = request.version();
        let in_flight = self.state.begin();
        let refused = self
            .probes_only
            .then(|| (self.transport.at_limit)(&request))
            .flatten();
        let (end_of_requests, end) = self.ends(request.uri().path());
        let inner = match refused {
            Some(refused) => Either::Left(respond(Ok(refused))),
            None => Either::Right(
                self.service
                    .call(request.map(|incoming| RequestBody::new(incoming, end_of_requests))),
            ),
        };
        ResponseFuture {
            inner,
            version,
            end,
            in_flight: Some(in_flight),
        }
    }
}

pin_project! {
    /// The future of a response. A peer of HTTP/1 learns from it that the connection closes.
    pub(super) struct ResponseFuture<F> {
        #[pin]
        inner: F,
        version: Version,
        end: StreamEnd,
        in_flight: Option<InFlight>,
    }
}

impl<F, B> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, Infallible>>,
{
    type Output = Result<Response<ResponseBody<B>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Ok(mut response) = ready!(this.inner.poll(cx));
        let in_flight = this.in_flight.take();
        if *this.version < Version::HTTP_2 && in_flight.as_ref().is_some_and(InFlight::is_last) {
            response
                .headers_mut()
                .insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Poll::Ready(Ok(response.map(|body| {
            ResponseBody::new(body, *this.version, this.end.take(), in_flight)
        })))
    }
}
