//! The limit for the size of a client.

use prost::Message as _;

use crate::{
    domain::client::{ChangeError, Client, MAX_CLIENT_BYTES},
    pb::v1,
};

/// Checks that a client is no larger than allowed in a response: the limits of its members together would allow far more
/// than one message can hold. Its secrets, its state and its etag do not count, so that a client of any size can be
/// disabled, and patched while it is.
///
/// # Errors
/// Returns the size if it is larger.
pub(super) fn check(client: &Client) -> Result<(), ChangeError> {
    let encoded = v1::OAuthClient {
        client_secrets: Vec::new(),
        disable_tag: None,
        created_at: None,
        updated_at: None,
        deleted_at: None,
        published_at: None,
        etag: None,
        ..client.clone().into()
    };
    match encoded.encoded_len() {
        ..=MAX_CLIENT_BYTES => Ok(()),
        bytes => Err(ChangeError::TooLarge { bytes }),
    }
}
