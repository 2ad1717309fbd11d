//! gRPC by hand: HTTP/2 requests with any method, headers and body.

use std::io::Write as _;

use bytes::{BufMut as _, Bytes, BytesMut};
use flate2::{Compression, write::GzEncoder};
use http::{HeaderMap, Request, StatusCode, request::Builder};
use http_body_util::{BodyExt as _, Full};
use tonic::{Status, body::Body};
use tower::{Service as _, ServiceExt as _};

use super::TestServer;

pub(crate) const CREATE: &str = "/oauth_clients.v1.OAuthClientService/CreateOAuthClient";
pub(crate) const DELETE: &str = "/oauth_clients.v1.OAuthClientService/DeleteOAuthClient";

/// A response, read to its end.
#[derive(Debug)]
pub(crate) struct Framed {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// The gRPC status, if there is one.
    pub(crate) grpc: Option<Status>,
}

/// Returns a request without a token.
pub(crate) fn request(server: &TestServer, method: &str, path: &str) -> Builder {
    Request::builder()
        .method(method)
        .uri(format!("http://{}{path}", server.grpc_addr))
        .header("te", "trailers")
}

/// Returns a request to a method with the token of an administrator.
pub(crate) fn post(server: &TestServer, path: &str) -> Builder {
    let token = server.admin().token.unwrap();
    request(server, "POST", path)
        .header("content-type", "application/grpc")
        .header("authorization", format!("Bearer {token}"))
}

/// Returns a request to create a client.
pub(crate) fn create(server: &TestServer) -> Builder {
    post(server, CREATE)
}

/// Sends a request with these bytes as its body, framing included.
pub(crate) async fn send(
    server: &TestServer,
    request: Builder,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Framed {
    let request = headers
        .iter()
        .fold(request, |request, (name, value)| request.header(*name, *value));
    let body = Full::new(body.into()).map_err(|never| match never {});
    let request = request.body(Body::new(body)).unwrap();
    let mut channel = server.transports.channel.clone();
    let answer = channel.ready().await.unwrap().call(request).await.unwrap();
    let (parts, body) = answer.into_parts();
    let body = body.collect().await.unwrap();
    let trailers = body.trailers().cloned().unwrap_or_default();
    Framed {
        status: parts.status,
        grpc: Status::from_header_map(&parts.headers).or_else(|| Status::from_header_map(&trailers)),
        headers: parts.headers,
        body: body.to_bytes(),
    }
}

/// Returns a message in its frame.
pub(crate) fn frame(compressed: u8, length: u32, message: &[u8]) -> Vec<u8> {
    let mut frame = BytesMut::new();
    frame.put_u8(compressed);
    frame.put_u32(length);
    frame.put_slice(message);
    frame.to_vec()
}

/// Returns a message in its frame, as it is.
pub(crate) fn plain(message: &[u8]) -> Vec<u8> {
    frame(0, u32::try_from(message.len()).unwrap(), message)
}

/// Returns a message in its frame, compressed with gzip.
pub(crate) fn gzipped(message: &[u8]) -> Vec<u8> {
    let message = gzip(message);
    frame(1, u32::try_from(message.len()).unwrap(), &message)
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
