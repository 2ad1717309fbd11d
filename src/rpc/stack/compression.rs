//! Compression of messages on gRPC, which tonic does.

use http::{HeaderMap, HeaderValue, Request};
use tonic::codec::CompressionEncoding;

use crate::single_header::single_header;

pub(super) const GRPC_ENCODING: &str = "grpc-encoding";
pub(super) const GRPC_ACCEPT_ENCODING: &str = "grpc-accept-encoding";

/// An encoding that tonic refuses.
const UNSUPPORTED: HeaderValue = HeaderValue::from_static("unsupported");

/// The encoding of the messages of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Identity,
    Gzip,
    /// The gRPC router refuses it.
    Unsupported,
}

impl Encoding {
    /// Returns the encoding that the metadata says.
    pub(super) fn of(metadata: &HeaderMap) -> Self {
        match single_header(metadata, GRPC_ENCODING) {
            Ok(None) => Self::Identity,
            Ok(Some(encoding)) if encoding == "identity" => Self::Identity,
            Ok(Some(encoding)) if encoding == "gzip" => Self::Gzip,
            Ok(Some(_)) | Err(_) => Self::Unsupported,
        }
    }

    /// Returns the encoding as tonic names it, or `None` if messages are not compressed.
    pub(super) fn compression(self) -> Option<CompressionEncoding> {
        (self == Self::Gzip).then_some(CompressionEncoding::Gzip)
    }
}

/// Lets the response be compressed only if the request may be. Clients in Java and C announce with every request that
/// they accept gzip, and compressing each small response for them would cost more than it saves.
pub(super) fn follow_the_request<B>(mut request: Request<B>) -> Request<B> {
    let headers = request.headers_mut();
    match Encoding::of(headers) {
        Encoding::Gzip => {}
        Encoding::Identity => drop(headers.remove(GRPC_ACCEPT_ENCODING)),
        // tonic would take the first of several values, which may be one that it supports.
        Encoding::Unsupported => drop(headers.insert(GRPC_ENCODING, UNSUPPORTED)),
    }
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_one_encoding() {
        for (values, encoding) in [
            (&[][..], Encoding::Identity),
            (&["identity"], Encoding::Identity),
            (&["gzip"], Encoding::Gzip),
            (&["gzip", "gzip"], Encoding::Gzip),
            (&["gzip", "identity"], Encoding::Unsupported),
            (&["identity", "gzip"], Encoding::Unsupported),
            (&["GZIP"], Encoding::Unsupported),
            (&["snappy"], Encoding::Unsupported),
        ] {
            let mut request = Request::new(());
            for value in values {
                let value = HeaderValue::from_static(value);
                request.headers_mut().append(GRPC_ENCODING, value);
            }
            let accepted = HeaderValue::from_static("gzip");
            request.headers_mut().insert(GRPC_ACCEPT_ENCODING, accepted);
            assert_eq!(Encoding::of(request.headers()), encoding, "{values:?}");
            let request = follow_the_request(request);
            let first = request.headers().get(GRPC_ENCODING);
            assert_eq!(
                first.is_some_and(|first| first == "gzip"),
                encoding == Encoding::Gzip,
                "{values:?}"
            );
            let accepts = request.headers().contains_key(GRPC_ACCEPT_ENCODING);
            assert_eq!(accepts, encoding != Encoding::Identity, "{values:?}");
        }
    }
}
