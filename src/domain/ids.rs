//! Identifiers, each with its own type.

use std::fmt;

use thiserror::Error;
use uuid::Uuid;

/// The identifier of a tenant. It comes from the caller's token, never from a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TenantId(String);

/// The `sub` of a caller's token (RFC 7519 section 4.1.2).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Subject(String);

/// A tenant or subject is empty, too long or has control characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be 1 to {MAX_NAME_CHARS} characters without control characters")]
pub struct InvalidName;

/// The identifier of a client (RFC 6749 section 2.2): a UUIDv7 as 32 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(String);

/// A text is not a client identifier, so no client has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be {CLIENT_ID_LEN} lower-case hexadecimal digits")]
pub struct InvalidClientId;

/// The maximum length of a tenant or subject, in characters.
const MAX_NAME_CHARS: usize = 255;
/// The `x-request-id` of a request, which its log lines, its response and the record of its change have in common: 1 to
/// 128 visible ASCII characters, so that it cannot forge log lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CorrelationId(String);

/// The maximum length of a correlation id, in characters.
const MAX_CORRELATION_ID_LEN: usize = 128;
/// The length of a client identifier, in digits.
pub(super) const CLIENT_ID_LEN: usize = 32;

fn checked_name(name: &str) -> Result<String, InvalidName> {
    let length = name.chars().count();
    if (1..=MAX_NAME_CHARS).contains(&length) && !name.chars().any(char::is_control) {
        Ok(name.to_owned())
    } else {
        Err(InvalidName)
    }
}

impl TenantId {
    /// Parses a tenant.
    ///
    /// # Errors
    /// If it is empty, too long or has control characters.
    pub fn parse(name: &str) -> Result<Self, InvalidName> {
        checked_name(name).map(Self)
    }

    /// Returns the tenant as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Subject {
    /// Parses a subject.
    ///
    /// # Errors
    /// If it is empty, too long or has control characters.
    pub fn parse(name: &str) -> Result<Self, InvalidName> {
        checked_name(name).map(Self)
    }

    /// Returns the subject as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl ClientId {
    /// Returns the identifier that represents a UUID.
    pub fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid.simple().to_string())
    }

    /// Parses an identifier.
    ///
    /// # Errors
    /// If it is not 32 lower-case hexadecimal digits.
    pub fn parse(id: &str) -> Result<Self, InvalidClientId> {
        let digit = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if id.len() == CLIENT_ID_LEN && id.bytes().all(digit) {
            Ok(Self(id.to_owned()))
        } else {
            Err(InvalidClientId)
        }
    }

    /// Returns the identifier as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl CorrelationId {
    /// Returns `true` if a text may be the id of a request.
    pub fn is_well_formed(text: &[u8]) -> bool {
        (1..=MAX_CORRELATION_ID_LEN).contains(&text.len()) && text.iter().all(u8::is_ascii_graphic)
    }

    /// Parses an id, or returns `None` if it is not well-formed.
    pub fn parse(text: &str) -> Option<Self> {
        Self::is_well_formed(text.as_bytes()).then(|| Self(text.to_owned()))
    }

    /// Returns the id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_id_is_a_uuid_in_32_lower_case_digits() {
        let id = ClientId::from_uuid(Uuid::from_u128(0x0193_5e8c_7c00_7000_8000_0000_0000_00ab));
        assert_eq!(id.as_str(), "01935e8c7c00700080000000000000ab");
        assert_eq!(ClientId::parse(id.as_str()), Ok(id));
    }

    #[test]
    fn anything_else_is_not_a_client_id() {
        for text in [
            "",
            "x",
            "01935e8c7c00700080000000000000a",
            "01935e8c7c00700080000000000000abc",
            "01935E8C7C00700080000000000000AB",
            "01935e8c-7c00-7000-8000-0000000000ab",
            "01935e8c7c007000800000000000000é",
        ] {
            assert_eq!(ClientId::parse(text), Err(InvalidClientId), "{text}");
        }
    }

    #[test]
    fn tenants_and_subjects_have_1_to_255_characters_without_control_characters() {
        assert!(TenantId::parse(&"é".repeat(255)).is_ok());
        for text in ["", "a\nb", "a\u{0}", "\u{85}", &"é".repeat(256)] {
            assert_eq!(TenantId::parse(text), Err(InvalidName), "{text:?}");
            assert_eq!(Subject::parse(text), Err(InvalidName), "{text:?}");
        }
    }
}
