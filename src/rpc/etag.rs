//! Etags of clients: in the metadata of responses, and as preconditions in requests.

use bytes::Bytes;
use tonic::{Response, metadata::MetadataValue};

use super::failure::Failure;
use crate::{
    domain::{
        client::{ChangeError, Client},
        revision::Etag,
    },
    entity_tags::EntityTags,
    pb::v1::ErrorReason,
};

/// The metadata key of an etag in quotes, which is the header `ETag` on REST.
const ETAG: &str = "etag";

/// The states of a client in which a request may be carried out: any, or those of a list.
#[derive(Debug, Clone)]
pub(super) struct Precondition(Option<EntityTags>);

impl Precondition {
    /// Parses the field `etag` of a request.
    ///
    /// # Errors
    /// If it is not a list of entity tags.
    pub(super) fn parse(field: Option<&str>) -> Result<Self, Failure> {
        let tags = field.map(EntityTags::parse).transpose();
        tags.map(Self)
            .map_err(|error| Failure::field(ErrorReason::InvalidField, ETAG, error.to_string()))
    }

    /// Checks that the client is in one of the states.
    ///
    /// # Errors
    /// If it is in another.
    pub(super) fn check(&self, client: &Client) -> Result<(), ChangeError> {
        match &self.0 {
            Some(tags) if !tags.match_strongly(client.etag().as_str()) => Err(ChangeError::EtagMismatch),
            _ => Ok(()),
        }
    }
}

/// Returns the etag as it stands in the metadata of a response.
pub(super) fn quoted(etag: &Etag) -> Bytes {
    etag.quoted().into()
}

/// Adds the etag, which is in quotes, of the client that a response is about.
pub(super) fn with_etag<T>(mut response: Response<T>, quoted: Bytes) -> Response<T> {
    // An etag is visible ASCII, so it always is a value.
    if let Ok(etag) = MetadataValue::try_from(quoted) {
        response.metadata_mut().insert(ETAG, etag);
    }
    response
}
