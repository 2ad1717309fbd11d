//! The encoded forms of a client in memory, each made once.

use std::sync::OnceLock;

use bytes::Bytes;

/// The encoded forms of a client. Neither of them depends on a request.
#[derive(Debug)]
pub struct Encoded {
    /// The client as a message, in the frame of gRPC.
    pub frame: Bytes,
    /// The etag of the client, in quotes.
    pub etag: Bytes,
    /// The client as JSON, once it has been sent on REST.
    pub json: OnceLock<Bytes>,
}
