//! Responses that are sent as they were encoded before, instead of being made and encoded again.
//!
//! A handler puts an [`EncodedResponse`] into the extensions of a response whose message is empty. The gRPC router then
//! sends the frame in place of the message. The REST transport sends the JSON of clients, if it has been made before.

use std::{
    mem,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use http_body::Frame;
use prost::Message;
use tonic::{Response, Status, body::Body};

use super::{
    etag::{quoted, with_etag},
    frame,
};
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
    /// A page of clients.
    Page(Arc<EncodedPage>),
    /// A message with a client in it.
    Frame(Bytes),
}

/// A page whose clients are encoded already.
#[derive(Debug)]
pub(crate) struct EncodedPage {
    pub(crate) clients: Vec<Arc<Encoded>>,
    /// The page without its clients.
    pub(crate) rest: v1::ListOAuthClientsResponse,
}

/// `v1::ListOAuthClientsResponse`, in which the clients are encoded already.
#[derive(Clone, PartialEq, Message)]
struct ClientList {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    data: Vec<Bytes>,
    #[prost(message, optional, tag = "2")]
    links: Option<v1::Links>,
    #[prost(int32, optional, tag = "3")]
    total_results: Option<i32>,
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
    let encoded = encoded(found);
    let etag = encoded.etag.clone();
    with_etag(respond(EncodedResponse::Client(Arc::clone(encoded))), etag)
}

/// Returns a response that is a page of clients.
pub(super) fn page(
    clients: &[Arc<StoredClient>],
    rest: v1::ListOAuthClientsResponse,
) -> Response<v1::ListOAuthClientsResponse> {
    let clients = clients.iter().map(|client| Arc::clone(encoded(client))).collect();
    respond(EncodedResponse::Page(Arc::new(EncodedPage { clients, rest })))
}

/// Returns the bytes that a client takes in a page: a tag, a length, and its message.
pub(super) fn size_in_page(found: &StoredClient) -> usize {
    let len = client_field(found).map_or(0, |message| message.len());
    1 + prost::length_delimiter_len(len) + len
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
    found.encoded(|client: &Client| Encoded {
        frame: frame::encode(&v1::OAuthClient::from(client.clone())),
        etag: quoted(&client.etag()),
        json: OnceLock::new(),
    })
}

fn respond<T: Default>(encoded: EncodedResponse) -> Response<T> {
    let mut response = Response::new(T::default());
    response.extensions_mut().insert(encoded);
    response
}

impl EncodedResponse {
    pub(crate) fn frame(&self) -> Bytes {
        match self {
            Self::Client(encoded) => encoded.frame.clone(),
            Self::Page(page) => page.frame(),
            Self::Frame(frame) => frame.clone(),
        }
    }
}

impl EncodedPage {
    fn frame(&self) -> Bytes {
        let clients = self.clients.iter();
        frame::encode(&ClientList {
            data: clients
                .filter_map(|client| frame::message(&client.frame))
                .collect(),
            links: self.rest.links.clone(),
            total_results: self.rest.total_results,
        })
    }
}

/// Sends what is encoded already in place of the empty message of a response. It is never compressed, which a response of
/// any encoding allows each of its messages.
pub(super) fn send(mut response: http::Response<Body>) -> http::Response<Body> {
    if let Some(encoded) = response.extensions().get::<EncodedResponse>() {
        *response.body_mut() = Body::new(OneFrame::Data(encoded.clone()));
    }
    response
}

/// The body of a successful response with one message.
#[derive(Debug)]
enum OneFrame {
    Data(EncodedResponse),
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
            Self::Data(encoded) => {
                *self = Self::Trailers;
                Some(Ok(Frame::data(encoded.frame())))
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

    #[test]
    fn a_page_of_encoded_clients_is_encoded_as_the_message_that_it_stands_for() {
        let (client, _) = encoded_client();
        let encoded = Arc::new(Encoded {
            frame: frame::encode(&client),
            etag: Bytes::new(),
            json: OnceLock::new(),
        });
        let rest = v1::ListOAuthClientsResponse {
            links: Some(v1::Links {
                self_: Some(v1::Link::default()),
                ..v1::Links::default()
            }),
            total_results: Some(3),
            ..v1::ListOAuthClientsResponse::default()
        };
        for count in 0..3 {
            let page = EncodedPage {
                clients: vec![encoded.clone(); count],
                rest: rest.clone(),
            };
            let message = v1::ListOAuthClientsResponse {
                data: vec![client.clone(); count],
                ..rest.clone()
            };
            assert_eq!(page.frame(), frame::encode(&message));
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
