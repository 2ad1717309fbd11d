//! Responses that are sent as they were encoded before, instead of being made and encoded again.
//!
//! A handler puts an [`EncodedResponse`] into the extensions of a response whose message is empty. The gRPC router then
//! sends the frame in place of the message. The REST transport sends the JSON, if it has been made before.

use std::{
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use http_body::Frame;
use prost::Message;
use tonic::{Response, Status, body::Body};

use super::frame;
use crate::{
    domain::client::Client,
    pb::v1,
    store::{Encoded, StoredClient},
};

/// A response that is encoded already, in the extensions of a response.
#[derive(Debug, Clone)]
pub(crate) enum EncodedResponse {
    /// A client alone.
    Client(Arc<Encoded>),
    /// A message with a client in it.
    Frame(Bytes),
}

/// `v1::LookupClientResponse`, in which the client is encoded already.
#[derive(Clone, PartialEq, Message)]
pub(super) struct FoundClient {
    #[prost(string, tag = "1")]
    pub(super) tenant_id: String,
    #[prost(bytes = "bytes", optional, tag = "2")]
    pub(super) client: Option<Bytes>,
}

/// `v1::AuthenticateClientResponse` of a client that is authenticated.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Authentication {
    #[prost(message, optional, tag = "1")]
    pub(super) authenticated: Option<AuthenticatedClient>,
}

/// `v1::AuthenticatedClient`, in which the client is encoded already.
#[derive(Clone, PartialEq, Message)]
pub(super) struct AuthenticatedClient {
    #[prost(string, tag = "1")]
    pub(super) tenant_id: String,
    #[prost(bytes = "bytes", optional, tag = "2")]
    pub(super) client: Option<Bytes>,
    #[prost(string, tag = "3")]
    pub(super) auth_method: String,
    #[prost(string, optional, tag = "4")]
    pub(super) secret_hint: Option<String>,
    #[prost(string, optional, tag = "5")]
    pub(super) key_id: Option<String>,
}

/// Returns a response that is a client.
pub(super) fn client(found: &StoredClient) -> Response<v1::OAuthClient> {
    respond(EncodedResponse::Client(Arc::clone(encoded(found))))
}

/// Returns a client as the field of another message.
pub(super) fn client_field(found: &StoredClient) -> Option<Bytes> {
    frame::message(&encoded(found).frame)
}

/// Returns the response that a message stands for, whose encoding is the same.
pub(super) fn message<T: Default>(message: &impl Message) -> Response<T> {
    respond(EncodedResponse::Frame(frame::encode(message)))
}

fn encoded(found: &StoredClient) -> &Arc<Encoded> {
    found.encoded(|client: &Client| frame::encode(&v1::OAuthClient::from(client.clone())))
}

fn respond<T: Default>(encoded: EncodedResponse) -> Response<T> {
    let mut response = Response::new(T::default());
    response.extensions_mut().insert(encoded);
    response
}

impl EncodedResponse {
    pub(crate) fn frame(&self) -> &Bytes {
        match self {
            Self::Client(encoded) => &encoded.frame,
            Self::Frame(frame) => frame,
        }
    }
}

/// Sends what is encoded already in place of the empty message of a response. It is never compressed, which a response of
/// any encoding allows each of its messages.
pub(super) fn send(mut response: http::Response<Body>) -> http::Response<Body> {
    if let Some(encoded) = response.extensions().get::<EncodedResponse>() {
        *response.body_mut() = Body::new(OneFrame::Data(encoded.frame().clone()));
    }
    response
}

/// The body of a successful response with one message.
#[derive(Debug)]
enum OneFrame {
    Data(Bytes),
    Trailers,
    End,
}

impl http_body::Body for OneFrame {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = match mem::replace(&mut *self, Self::End) {
            Self::Data(frame) => {
                *self = Self::Trailers;
                Some(Ok(Frame::data(frame)))
            }
            Self::Trailers => {
                let mut trailers = HeaderMap::with_capacity(1);
                trailers.insert(Status::GRPC_STATUS, HeaderValue::from_static("0"));
                Some(Ok(Frame::trailers(trailers)))
            }
            Self::End => None,
        };
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::End)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    fn encoded_client() -> (v1::OAuthClient, Bytes) {
        let client = v1::OAuthClient {
            client_id: "a".to_owned(),
            redirect_uris: vec!["https://a.example".to_owned()],
            ..v1::OAuthClient::default()
        };
        let encoded = client.encode_to_vec().into();
        (client, encoded)
    }

    #[test]
    fn a_message_with_an_encoded_client_is_encoded_as_the_message_that_it_stands_for() {
        let (client, encoded) = encoded_client();
        let found = FoundClient {
            tenant_id: "t".to_owned(),
            client: Some(encoded.clone()),
        };
        let response = v1::LookupClientResponse {
            tenant_id: "t".to_owned(),
            client: Some(client.clone()),
        };
        assert_eq!(found.encode_to_vec(), response.encode_to_vec());

        for (secret_hint, key_id) in [(Some("h"), None), (None, Some("k"))] {
            let authenticated = AuthenticatedClient {
                tenant_id: "t".to_owned(),
                client: Some(encoded.clone()),
                auth_method: "m".to_owned(),
                secret_hint: secret_hint.map(str::to_owned),
                key_id: key_id.map(str::to_owned),
            };
            let response = v1::AuthenticatedClient {
                tenant_id: "t".to_owned(),
                client: Some(client.clone()),
                auth_method: "m".to_owned(),
                secret_hint: secret_hint.map(str::to_owned),
                key_id: key_id.map(str::to_owned),
            };
            let response = v1::AuthenticateClientResponse {
                result: Some(v1::authenticate_client_response::Result::Authenticated(response)),
            };
            let authentication = Authentication {
                authenticated: Some(authenticated),
            };
            assert_eq!(authentication.encode_to_vec(), response.encode_to_vec());
        }
    }

    #[tokio::test]
    async fn an_encoded_response_is_sent_in_place_of_the_message() {
        let (_, encoded) = encoded_client();
        let (metadata, (), extensions) = message::<()>(&encoded).into_parts();
        let mut response = http::Response::new(Body::empty());
        *response.headers_mut() = metadata.into_headers();
        *response.extensions_mut() = extensions;
        let body = send(response).into_body().collect().await.unwrap();
        assert_eq!(body.trailers().unwrap()["grpc-status"], "0");
        assert_eq!(body.to_bytes(), frame::encode(&encoded));
    }
}
