//! Requests with an idempotency key, which callers may retry safely.

use bytes::Bytes;
use prost::Message;
use tonic::{Request, Response};

use crate::{
    auth::Caller,
    domain::{
        idempotency_key::IdempotencyKey,
        ids::CorrelationId,
        kept_response::{MessageDigest, ResponseKey},
        revision::Etag,
    },
    pb::{Method, v1::ErrorReason},
    rpc::{
        environment::response_nonce,
        etag::{quoted, with_etag},
        failure::Failure,
        request::correlation_id,
    },
    store::Once,
};

/// The name of the field of an idempotency key in errors.
const FIELD: &str = "requestId";

/// A message with an idempotency key.
pub(super) trait Retryable: Message {
    /// Takes the key, which may be malformed.
    fn take_request_id(&mut self) -> Option<String>;
}

/// The ids of a request.
pub(super) struct RequestIds {
    /// The id that its log lines and the record of its change have.
    pub(super) correlation_id: Option<CorrelationId>,
    pub(super) key: Option<IdempotencyKey>,
}

impl RequestIds {
    /// Takes the idempotency key out of a message, and decides on the correlation id, which must not be the same.
    ///
    /// # Errors
    /// If the key is malformed.
    pub(super) fn take<M: Retryable>(request: &mut Request<M>) -> Result<Self, Failure> {
        let key = request.get_mut().take_request_id();
        let key = key.map(|key| IdempotencyKey::parse(&key)).transpose();
        let key = key.map_err(|error| Failure::field(ErrorReason::InvalidField, FIELD, error.to_string()))?;
        Ok(Self {
            correlation_id: correlation_id(request, key.as_ref()),
            key,
        })
    }

    /// Returns how the request is carried out once, if it has a key. The message is without the key.
    ///
    /// # Errors
    /// If the operating system returns no random bytes, or the cryptography library fails.
    pub(super) fn once<M: Message, R: Message + Default>(
        &self,
        caller: &Caller,
        method: &Method,
        message: &M,
    ) -> Result<Option<Once<Changed<R>>>, Failure> {
        let Some(key) = &self.key else {
            return Ok(None);
        };
        let key = ResponseKey::derive(key, caller.tenant(), caller.subject());
        Ok(Some(Once {
            key: key.map_err(Failure::internal)?,
            message: MessageDigest::of(&method.path, &message.encode_to_vec()),
            nonce: response_nonce()?,
            to_bytes: Changed::to_bytes,
            from_bytes: Changed::from_bytes,
        }))
    }
}

/// The response to a change of a client.
pub(super) struct Changed<R> {
    message: R,
    /// The etag of the client after the change, in quotes.
    etag: Bytes,
}

/// The form in which a response is kept. It has no text in `Debug`, as the message may have a secret.
#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
struct Kept {
    #[prost(bytes = "bytes", tag = "1")]
    etag: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    message: Bytes,
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Kept(…)")
    }
}

impl<R> Changed<R> {
    pub(super) fn new(message: R, etag: &Etag) -> Self {
        Self {
            message,
            etag: quoted(etag),
        }
    }

    pub(super) fn respond(self) -> Response<R> {
        with_etag(Response::new(self.message), self.etag)
    }
}

impl<R: Message + Default> Changed<R> {
    fn to_bytes(&self) -> Vec<u8> {
        let kept = Kept {
            etag: self.etag.clone(),
            message: self.message.encode_to_vec().into(),
        };
        kept.encode_to_vec()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let kept = Kept::decode(bytes).ok()?;
        Some(Self {
            message: R::decode(kept.message).ok()?,
            etag: kept.etag,
        })
    }
}
