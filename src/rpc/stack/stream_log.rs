//! The log of a stream of messages, whose line comes at its end.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::Response;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tonic::{Status, body::Body};
use tracing::Span;

use super::request_log::RequestLog;

/// Logs a request when the stream of its response is dropped: at its end, or because its caller is gone.
pub(super) fn log_at_end(log: RequestLog, span: Span, response: Response<Body>) -> Response<Body> {
    response.map(|body| {
        Body::new(LoggedStream {
            body: Some(body),
            log,
            span,
        })
    })
}

/// A stream that is read within the span of its request, and collects what is recorded.
struct LoggedStream {
    /// `None` while this is dropped.
    body: Option<Body>,
    log: RequestLog,
    span: Span,
}

impl HttpBody for LoggedStream {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Self { body, log, span } = &mut *self;
        match body {
            Some(body) => log.enter(|| span.in_scope(|| Pin::new(body).poll_frame(cx))),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body
            .as_ref()
            .map_or(SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl Drop for LoggedStream {
    fn drop(&mut self) {
        let Self { body, log, span } = self;
        // It may record how it ended.
        log.enter(|| span.in_scope(|| drop(body.take())));
        log.finish_stream(span);
    }
}

impl fmt::Debug for LoggedStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoggedStream").finish_non_exhaustive()
    }
}
