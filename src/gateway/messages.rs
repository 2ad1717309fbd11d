//! The messages of a gRPC stream.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes, BytesMut};
use http::HeaderMap;
use http_body::Body as _;
use tonic::{Code, Status, body::Body};

use super::response::InvalidResponse;
use crate::rpc::frame::HEADER_BYTES;

/// The messages of a body, one at a time. No more of the body is read than the next message needs.
#[derive(Debug)]
pub(super) struct Messages {
    body: Body,
    /// The frames that were read with an earlier message, or the begin of one.
    buffer: BytesMut,
}

/// The end of a stream that did not succeed.
#[derive(Debug)]
pub(super) enum StreamError {
    /// The method failed.
    Failed(Status),
    /// The stream breaks the protocol.
    Invalid(InvalidResponse),
}

impl Messages {
    pub(super) fn new(body: Body) -> Self {
        Self {
            body,
            buffer: BytesMut::new(),
        }
    }

    /// Returns the next message, or `None` if the method succeeded.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, StreamError>>> {
        loop {
            match take_message(&mut self.buffer) {
                Ok(None) => {}
                Ok(Some(message)) => return Poll::Ready(Some(Ok(message))),
                Err(invalid) => return Poll::Ready(Some(Err(StreamError::Invalid(invalid)))),
            }
            let frame = match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => frame,
                Some(Err(status)) => return Poll::Ready(Some(Err(StreamError::Invalid(status.into())))),
                None => return Poll::Ready(Some(Err(StreamError::Invalid(InvalidResponse::Stream)))),
            };
            match frame.into_data() {
                Ok(data) if self.buffer.is_empty() => self.buffer = BytesMut::from(data),
                Ok(data) => self.buffer.extend_from_slice(&data),
                Err(frame) => {
                    let trailers = frame.into_trailers().unwrap_or_default();
                    return Poll::Ready(self.end(&trailers).err().map(Err));
                }
            }
        }
    }

    fn end(&self, trailers: &HeaderMap) -> Result<(), StreamError> {
        match Status::from_header_map(trailers) {
            Some(status) if status.code() != Code::Ok => Err(StreamError::Failed(status)),
            Some(_) if self.buffer.is_empty() => Ok(()),
            Some(_) | None => Err(StreamError::Invalid(InvalidResponse::Stream)),
        }
    }
}

/// Removes the first message from a buffer, if it is there as a whole.
fn take_message(buffer: &mut BytesMut) -> Result<Option<Bytes>, InvalidResponse> {
    let Some(mut header) = buffer.get(..HEADER_BYTES) else {
        return Ok(None);
    };
    // The caller of the router accepts no compression.
    if header.get_u8() != 0 {
        return Err(InvalidResponse::Frame);
    }
    let length = usize::try_from(header.get_u32()).map_err(|_| InvalidResponse::Frame)?;
    if buffer.len() - HEADER_BYTES < length {
        return Ok(None);
    }
    buffer.advance(HEADER_BYTES);
    Ok(Some(buffer.split_to(length).freeze()))
}
