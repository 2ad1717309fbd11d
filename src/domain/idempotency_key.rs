//! The keys by which the retries of a request are recognized.

use std::fmt;

use thiserror::Error;
use uuid::{Uuid, Variant};

/// A UUID of version 4 or 7 (RFC 9562 section 4) that a caller makes for one request, and sends again with each retry.
///
/// It decrypts what is kept of the response, so its `Debug` omits it, and it must not get into a log.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct IdempotencyKey(Uuid);

/// A text is not an idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be a UUID of version 4 or 7, such as the output of uuidgen")]
pub struct InvalidIdempotencyKey;

/// The length of the text of a UUID (RFC 9562 section 4).
const UUID_LEN: usize = 36;

impl IdempotencyKey {
    /// Parses a key, in quotes or bare.
    ///
    /// # Errors
    /// If it is not a UUID of one of the versions in the form of RFC 9562.
    pub fn parse(text: &str) -> Result<Self, InvalidIdempotencyKey> {
        let is_uuid = bare(text).len() == UUID_LEN;
        let key = Self::find_in(text).filter(|_| is_uuid);
        key.ok_or(InvalidIdempotencyKey)
    }

    /// Reads a text that may be a key, also in forms that are not accepted as such: without hyphens, for example.
    pub fn find_in(text: &str) -> Option<Self> {
        let uuid = Uuid::try_parse(bare(text)).ok()?;
        let is_key = uuid.get_variant() == Variant::RFC4122 && matches!(uuid.get_version_num(), 4 | 7);
        is_key.then_some(Self(uuid))
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdempotencyKey(…)")
    }
}

/// Returns a text without the quotes of a header (RFC 9651 section 3.3.3), if it has them.
fn bare(text: &str) -> &str {
    let quoted = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    quoted.unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const V4: &str = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";
    const V7: &str = "01935e8c-7c00-7000-8000-0000000000ab";

    #[test]
    fn a_key_is_a_uuid_of_version_4_or_7_in_quotes_or_bare() {
        for uuid in [V4, V7] {
            let key = IdempotencyKey::parse(uuid).unwrap();
            for text in [
                uuid.to_uppercase(),
                format!("\"{uuid}\""),
                format!("\"{}\"", uuid.to_uppercase()),
            ] {
                assert_eq!(IdempotencyKey::parse(&text), Ok(key), "{text}");
            }
        }
        assert_ne!(IdempotencyKey::parse(V4), IdempotencyKey::parse(V7));
    }

    #[test]
    fn anything_else_is_not_a_key() {
        for text in [
            "",
            "\"\"",
            "\"",
            "x",
            "3f2504e04f8941d39a0c0305e82c3301",
            "{3f2504e0-4f89-41d3-9a0c-0305e82c3301}",
            "urn:uuid:3f2504e0-4f89-41d3-9a0c-0305e82c3301",
            "3f2504e0-4f89-41d3-9a0c-0305e82c330",
            "3f2504e0-4f89-41d3-9a0c-0305e82c33011",
            "3f2504e04-f89-41d3-9a0c-0305e82c3301",
            "3f2504e0-4f89-41d3-9a0c-0305e82c330g",
            " 3f2504e0-4f89-41d3-9a0c-0305e82c3301",
            "\"3f2504e0-4f89-41d3-9a0c-0305e82c3301",
            "\"3f2504e0-4f89-41d3-9a0c-0305e82c3301\";a=1",
            // Other versions, and another variant.
            "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
            "3f2504e0-4f89-51d3-9a0c-0305e82c3301",
            "3f2504e0-4f89-81d3-9a0c-0305e82c3301",
            "3f2504e0-4f89-41d3-1a0c-0305e82c3301",
            "00000000-0000-0000-0000-000000000000",
            "ffffffff-ffff-ffff-ffff-ffffffffffff",
        ] {
            assert_eq!(
                IdempotencyKey::parse(text),
                Err(InvalidIdempotencyKey),
                "{text:?}"
            );
        }
    }

    #[test]
    fn a_key_is_found_in_whatever_form_a_uuid_has() {
        let key = IdempotencyKey::parse(V4).ok();
        for text in [
            "3F2504E04F8941D39A0C0305E82C3301",
            "urn:uuid:3f2504e0-4f89-41d3-9a0c-0305e82c3301",
            "{3f2504e0-4f89-41d3-9a0c-0305e82c3301}",
            "\"3f2504e0-4f89-41d3-9a0c-0305e82c3301\"",
        ] {
            assert_eq!(IdempotencyKey::find_in(text), key, "{text}");
        }
        assert_eq!(IdempotencyKey::find_in("mine-1"), None);
    }

    #[test]
    fn debug_does_not_show_a_key() {
        let key = IdempotencyKey::parse(V4).unwrap();
        assert_eq!(format!("{key:?}"), "IdempotencyKey(…)");
    }
}
