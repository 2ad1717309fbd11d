//! Translates a gRPC stream to newline-delimited JSON, in the form of grpc-gateway.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, header::CONTENT_TYPE};
use http_body::{Body as HttpBody, Frame};
use prost_reflect::DynamicMessage;
use tonic::{Code, Status, body::Body};

use super::{
    envelope, headers,
    messages::{Messages, StreamError},
    response::{InvalidResponse, write_json},
};
use crate::{
    pb::{Method, Protos},
    rpc::{failure::Failure, stack::request_log::record_outcome},
};

const NDJSON: HeaderValue = HeaderValue::from_static("application/x-ndjson");
/// Tells nginx, which otherwise collects a response until it has some KiB, to pass each line on.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Returns the response of a method that streams. It waits for the first message, so that a failure before that is a response
/// of its own.
pub(super) async fn respond(
    protos: &'static Protos,
    method: &'static Method,
    response: Response<Body>,
) -> Result<Response<Body>, InvalidResponse> {
    let (parts, body) = response.into_parts();
    let mut lines = Lines {
        protos,
        method,
        first: None,
        messages: None,
    };
    match Status::from_header_map(&parts.headers) {
        Some(status) if status.code() != Code::Ok => return Ok(Response::from_parts(parts, body)),
        // There are no messages.
        Some(_) => {}
        None => {
            let mut messages = Messages::new(body);
            match poll_fn(|cx| messages.poll_next(cx)).await {
                Some(Ok(message)) => {
                    lines.first = Some(line(method, message)?);
                    lines.messages = Some(messages);
                }
                Some(Err(StreamError::Failed(status))) => return Ok(status.into_http()),
                Some(Err(StreamError::Invalid(error))) => return Err(error),
                None => {}
            }
        }
    }
    let mut response = Response::new(Body::new(lines));
    *response.status_mut() = method.policy.success_status;
    *response.extensions_mut() = parts.extensions;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, NDJSON);
    headers.insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
    headers.extend(headers::headers(&parts.headers));
    Ok(response)
}

/// The lines of a stream, each made when it is about to be sent.
#[derive(Debug)]
struct Lines {
    protos: &'static Protos,
    method: &'static Method,
    first: Option<Bytes>,
    /// `None` after the last message.
    messages: Option<Messages>,
}

impl Lines {
    /// Ends the stream with an error.
    fn fail(&self, error: StreamError) -> Bytes {
        let status = match error {
            StreamError::Failed(status) => status,
            StreamError::Invalid(error) => Failure::internal(error).into(),
        };
        record_outcome(&status);
        envelope::last_line(self.protos, &status)
    }
}

impl HttpBody for Lines {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        let Some(messages) = &mut self.messages else {
            return Poll::Ready(None);
        };
        let Some(next) = ready!(messages.poll_next(cx)) else {
            self.messages = None;
            return Poll::Ready(None);
        };
        let method = self.method;
        let next = next.and_then(|message| line(method, message).map_err(StreamError::Invalid));
        let line = next.unwrap_or_else(|error| {
            self.messages = None;
            self.fail(error)
        });
        Poll::Ready(Some(Ok(Frame::data(line))))
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.messages.is_none()
    }
}

fn line(method: &Method, message: Bytes) -> Result<Bytes, InvalidResponse> {
    let message = DynamicMessage::decode(method.descriptor.output(), message)?;
    let mut line = Vec::from(b"{\"result\":");
    write_json(&message, &mut line)?;
    line.extend_from_slice(b"}\n");
    Ok(Bytes::from(line))
}
