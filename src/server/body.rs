//! The bodies of requests and responses, as the HTTP library sees them.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use pin_project_lite::pin_project;
use tonic::Status;

use super::{stalled_streams::hand_out, state::InFlight};

/// The most data that a stream of HTTP/2 gets at once: that of one frame (RFC 9113 section 4.2). The library takes more only
/// if its peer takes it, so it holds no whole response for a peer that does not.
const MAX_DATA: usize = 16 * 1024;

/// The time at which a stream ends; `None` for never.
pub(super) type StreamEnd = Option<Pin<Box<dyn Future<Output = ()> + Send>>>;

fn has_ended(end: &mut StreamEnd, cx: &mut Context<'_>) -> bool {
    end.as_mut().is_some_and(|end| end.as_mut().poll(cx).is_ready())
}

/// The body of a request, which ends with the stream.
pub(super) struct RequestBody {
    incoming: Option<Incoming>,
    end: StreamEnd,
}

impl RequestBody {
    pub(super) fn new(incoming: Incoming, end: StreamEnd) -> Self {
        Self {
            incoming: Some(incoming),
            end,
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if has_ended(&mut self.end, cx) {
            self.end = None;
            self.incoming = None;
        }
        match &mut self.incoming {
            Some(incoming) => Pin::new(incoming).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming
            .as_ref()
            .map_or_else(SizeHint::default, Body::size_hint)
    }
}

pin_project! {
    /// The body of a response, which ends with the stream.
    pub(super) struct ResponseBody<B> {
        #[pin]
        inner: B,
        // The data that is handed out after what was.
        rest: Bytes,
        max_data: usize,
        end: StreamEnd,
        has_ended: bool,
        in_flight: Option<InFlight>,
    }
}

impl<B> ResponseBody<B> {
    pub(super) fn new(inner: B, version: http::Version, end: StreamEnd, in_flight: Option<InFlight>) -> Self {
        let is_http1 = version < http::Version::HTTP_2;
        Self {
            inner,
            rest: Bytes::new(),
            max_data: if is_http1 { usize::MAX } else { MAX_DATA },
            end,
            has_ended: false,
            in_flight,
        }
    }
}

impl<B: Body<Data = Bytes>> Body for ResponseBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        hand_out(false);
        if *this.has_ended {
            return Poll::Ready(None);
        }
        if this.rest.is_empty() {
            if has_ended(this.end, cx) {
                *this.has_ended = true;
                return Poll::Ready(Some(Ok(Frame::trailers(ended()))));
            }
            let frame = match ready!(this.inner.poll_frame(cx)) {
                Some(Ok(frame)) => frame,
                other => return Poll::Ready(other),
            };
            match frame.into_data() {
                Ok(data) => *this.rest = data,
                Err(other) => return Poll::Ready(Some(Ok(other))),
            }
        }
        let data = this.rest.split_to(this.rest.len().min(*this.max_data));
        hand_out(true);
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.has_ended || self.rest.is_empty() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        if self.rest.is_empty() {
            self.inner.size_hint()
        } else {
            SizeHint::default()
        }
    }
}

/// Returns the trailers of a stream that the server ends.
fn ended() -> HeaderMap {
    let mut trailers = HeaderMap::new();
    let status = Status::unavailable("the stream has ended with its connection: open another one");
    // The text has no character that must be escaped.
    if status.add_header(&mut trailers).is_err() {
        trailers.insert(Status::GRPC_STATUS, HeaderValue::from_static("14"));
    }
    trailers
}
