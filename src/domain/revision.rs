//! The states of a client, counted and named.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{digest::sha256_of_texts, ids::ClientId, timestamp::Timestamp};

/// The number of a state of a client: 1 for a new client, and one more after each change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Revision(i64);

impl Revision {
    /// The revision of a new client.
    pub const FIRST: Self = Self(1);

    /// Returns the revision that a number stands for.
    pub const fn from_number(number: i64) -> Self {
        Self(number)
    }

    /// Returns the revision as a number.
    pub const fn number(self) -> i64 {
        self.0
    }

    /// Returns the revision after the next change.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// The name of a state of a client (AIP-154), which says nothing but whether two states are the same: the first 96 bits of
/// a digest of the client's id, its revision and the time of its last change.
///
/// The revision alone would not do: after a backup is restored, other changes get the numbers of those that were lost, but
/// not their times. What the digest is made of must never change, as callers hold on to etags while servers are upgraded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Etag(String);

/// The length of an etag before it is encoded, in bytes.
const ETAG_BYTES: usize = 12;

impl Etag {
    pub(super) fn new(id: &ClientId, revision: Revision, updated_at: Timestamp) -> Self {
        let revision = revision.number().to_string();
        let updated_at = updated_at.as_micros().to_string();
        let digest = sha256_of_texts(&["etag", id.as_str(), &revision, &updated_at]);
        let bytes: Vec<u8> = digest.into_iter().take(ETAG_BYTES).collect();
        Self(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Returns the etag as the text of a member: bare.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the etag as it stands in headers: in quotes (RFC 9110 section 8.8.3).
    pub fn quoted(&self) -> String {
        format!("\"{}\"", self.0)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn etag(id: u128, revision: i64, micros: i64) -> Etag {
        Etag::new(
            &ClientId::from_uuid(Uuid::from_u128(id)),
            Revision::from_number(revision),
            Timestamp::from_micros(micros),
        )
    }

    #[test]
    fn an_etag_stays_the_same_from_release_to_release() {
        assert_eq!(etag(1, 1, 1_700_000_000_000_000).as_str(), "2sk0CKxiYkjD6FOk");
        assert_eq!(etag(1, 1, 1_700_000_000_000_000).quoted(), "\"2sk0CKxiYkjD6FOk\"");
    }

    #[test]
    fn another_client_revision_or_time_has_another_etag() {
        let one = etag(1, 1, 1);
        for other in [etag(2, 1, 1), etag(1, 2, 1), etag(1, 1, 2)] {
            assert_ne!(one, other);
        }
        assert_eq!(one, etag(1, 1, 1));
    }
}
