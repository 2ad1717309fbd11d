//! Client secrets: generated from random bytes of the operating system, shown once, stored as a hash.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use thiserror::Error;

use super::{
    digest::{Sha256, sha256_of_texts, sha256_prefix},
    ids::{ClientId, Subject, TenantId},
    timestamp::Timestamp,
};

/// A secret in the clear: `ocs_`, the hint, `_`, 32 random bytes and a checksum of 6 bytes in base64url.
///
/// It has no `Serialize`, and its `Debug` omits the text: only [`ClientSecret::reveal`] puts it into a response.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientSecret(String);

/// The name of a secret within its client: 8 characters of `[a-z0-9]`, which are not part of the key material.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Hint(String);

/// SHA-256 of a secret, bound to its tenant, client and hint, so that a row copied to another client matches nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretHash(Sha256);

/// A secret as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSecret {
    /// The name within the client.
    pub hint: Hint,
    /// The hash that verifies the secret.
    pub hash: SecretHash,
    /// The time of creation.
    pub created_at: Timestamp,
    /// The subject that created it.
    pub created_by: Subject,
}

/// Random bytes for one secret: 32 for the key, the others for candidates of a hint.
#[derive(Clone)]
pub struct SecretSeed([u8; SecretSeed::LEN]);

/// A text is not a hint, so no secret has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be {HINT_LEN} characters from a to z and 0 to 9")]
pub struct InvalidHint;

const PREFIX: &str = "ocs_";
const HINT_CHARS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
const HINT_LEN: usize = 8;
const KEY_LEN: usize = 32;
const CHECKSUM_LEN: usize = 6;
/// The length of a checksum in base64url.
const CHECKSUM_CHARS: usize = 8;

impl SecretSeed {
    /// The length of a seed, in bytes.
    pub const LEN: usize = KEY_LEN + 96;

    /// Makes a seed of bytes from the operating system's generator.
    pub fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    fn key(&self) -> &[u8] {
        self.0.split_at(KEY_LEN).0
    }

    /// Returns candidates for a hint, in which each character is equally likely.
    fn hints(&self) -> impl Iterator<Item = Hint> {
        // 252 is the last multiple of 36: bytes from there on would make some characters more likely.
        let characters: Vec<char> = self
            .0
            .split_at(KEY_LEN)
            .1
            .iter()
            .filter(|byte| **byte < 252)
            .filter_map(|byte| HINT_CHARS.get(usize::from(byte % 36)))
            .map(|character| char::from(*character))
            .collect();
        let hints: Vec<Hint> = characters
            .chunks_exact(HINT_LEN)
            .map(|hint| Hint(hint.iter().collect()))
            .collect();
        hints.into_iter()
    }
}

impl fmt::Debug for SecretSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretSeed(…)")
    }
}

impl Hint {
    /// Parses a hint.
    ///
    /// # Errors
    /// If it is not 8 characters of `[a-z0-9]`.
    pub fn parse(text: &str) -> Result<Self, InvalidHint> {
        if text.len() == HINT_LEN && text.bytes().all(|byte| HINT_CHARS.contains(&byte)) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidHint)
        }
    }

    /// Returns the hint as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl ClientSecret {
    /// Generates a secret whose hint is not `taken`. `None` if every hint of the seed is taken, which is theoretical with
    /// 2⁴¹ possible hints.
    pub(super) fn generate(seed: &SecretSeed, taken: impl Fn(&Hint) -> bool) -> Option<(Hint, Self)> {
        let hint = seed.hints().find(|hint| !taken(hint))?;
        let key = URL_SAFE_NO_PAD.encode(seed.key());
        let body = format!("{PREFIX}{}_{key}", hint.0);
        let checksum = checksum(&body);
        Some((hint, Self(body + &checksum)))
    }

    /// Parses a secret that a client presents, and the hint in it. `None` if the form or the checksum is wrong, so that a
    /// mistyped secret is detected without a query.
    pub fn parse(text: &str) -> Option<(Hint, Self)> {
        let (body, given) = text.split_at_checked(text.len().checked_sub(CHECKSUM_CHARS)?)?;
        let (hint, key) = body.strip_prefix(PREFIX)?.split_at_checked(HINT_LEN)?;
        let key = URL_SAFE_NO_PAD.decode(key.strip_prefix('_')?).ok()?;
        let hint = Hint::parse(hint).ok()?;
        (key.len() == KEY_LEN && checksum(body) == given).then(|| (hint, Self(text.to_owned())))
    }

    /// Returns `true` if the secret has the stored hash. Takes the same time if no hash is stored.
    pub fn matches(
        &self,
        tenant: &TenantId,
        client: &ClientId,
        hint: &Hint,
        stored: Option<&SecretHash>,
    ) -> bool {
        let hash = self.hash(tenant, client, hint);
        let other = stored.map_or([0; 32], |stored| stored.0);
        let equal = verify_slices_are_equal(&hash.0, &other).is_ok();
        equal && stored.is_some()
    }

    /// Returns the secret in the clear, for the one response that contains it.
    pub fn reveal(self) -> String {
        self.0
    }

    /// Returns the hash to store.
    pub(super) fn hash(&self, tenant: &TenantId, client: &ClientId, hint: &Hint) -> SecretHash {
        SecretHash(sha256_of_texts(&[
            "oauth-clients secret v1",
            tenant.as_str(),
            client.as_str(),
            hint.as_str(),
            &self.0,
        ]))
    }
}

fn checksum(body: &str) -> String {
    URL_SAFE_NO_PAD.encode(sha256_prefix::<CHECKSUM_LEN>(body.as_bytes()))
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret(…)")
    }
}

impl SecretHash {
    /// Returns the hash that was stored as some bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes to store.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seed() -> SecretSeed {
        let mut bytes = [0; SecretSeed::LEN];
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::try_from(index).unwrap();
        }
        SecretSeed::from_bytes(bytes)
    }

    fn generate() -> (Hint, ClientSecret) {
        ClientSecret::generate(&seed(), |_| false).unwrap()
    }

    #[test]
    fn a_secret_has_a_prefix_its_hint_32_random_bytes_and_a_checksum() {
        let (hint, secret) = generate();
        let text = secret.reveal();
        assert_eq!(hint.as_str(), "6789abcd");
        assert_eq!(
            text,
            "ocs_6789abcd_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8pnpcGmOv"
        );
        let (body, checksum_text) = text.split_at(text.len() - 8);
        assert_eq!(checksum(body), checksum_text);
    }

    #[test]
    fn a_secret_with_any_character_mistyped_is_rejected() {
        let (hint, secret) = generate();
        let text = secret.clone().reveal();
        assert_eq!(ClientSecret::parse(&text), Some((hint, secret)));
        for place in 0..text.len() {
            let other = if text.as_bytes()[place] == b'A' { "B" } else { "A" };
            let mut mistyped = text.clone();
            mistyped.replace_range(place..=place, other);
            assert_eq!(ClientSecret::parse(&mistyped), None, "{mistyped}");
        }
        for wrong in [
            "",
            "ocs_",
            "é",
            &text[1..],
            &text[..63],
            &format!("{text}A"),
            &format!(" {text}"),
        ] {
            assert_eq!(ClientSecret::parse(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_secret_matches_its_own_hash_and_no_other() {
        let (hint, secret) = generate();
        let tenant = TenantId::parse("a").unwrap();
        let client = ClientId::parse(&"1".repeat(32)).unwrap();
        let hash = secret.hash(&tenant, &client, &hint);
        assert!(secret.matches(&tenant, &client, &hint, Some(&hash)));
        assert!(!secret.matches(&tenant, &client, &hint, None));
        let copied = ClientId::parse(&"2".repeat(32)).unwrap();
        assert!(!secret.matches(&tenant, &copied, &hint, Some(&hash)));
        assert!(!secret.matches(&tenant, &client, &hint, Some(&SecretHash([0; 32]))));
    }

    #[test]
    fn a_hint_that_is_taken_is_not_used_again() {
        let (first, _) = generate();
        let (second, _) = ClientSecret::generate(&seed(), |hint| *hint == first).unwrap();
        assert_ne!(first, second);
        assert_eq!(ClientSecret::generate(&seed(), |_| true), None);
    }

    #[test]
    fn a_hash_belongs_to_one_tenant_client_and_hint() {
        let (hint, secret) = generate();
        let tenant = |name| TenantId::parse(name).unwrap();
        let client = |digit: &str| ClientId::parse(&digit.repeat(32)).unwrap();
        let hash = secret.hash(&tenant("a"), &client("1"), &hint);
        assert_eq!(secret.hash(&tenant("a"), &client("1"), &hint), hash);
        assert_ne!(secret.hash(&tenant("b"), &client("1"), &hint), hash);
        assert_ne!(secret.hash(&tenant("a"), &client("2"), &hint), hash);
        let other = Hint::parse("00000000").unwrap();
        assert_ne!(secret.hash(&tenant("a"), &client("1"), &other), hash);
    }

    #[test]
    fn debug_output_reveals_nothing() {
        let (hint, secret) = generate();
        let tenant = TenantId::parse("a").unwrap();
        let client = ClientId::parse(&"1".repeat(32)).unwrap();
        let hash = secret.hash(&tenant, &client, &hint);
        assert_eq!(
            format!("{secret:?} {hash:?} {:?}", seed()),
            "ClientSecret(…) SecretHash(…) SecretSeed(…)"
        );
    }

    #[test]
    fn a_hint_is_8_lower_case_letters_and_digits() {
        assert!(Hint::parse("a1b2c3d4").is_ok());
        for text in ["", "a1b2c3d", "a1b2c3d45", "A1b2c3d4", "a1b2c3d_"] {
            assert_eq!(Hint::parse(text), Err(InvalidHint), "{text}");
        }
    }
}
