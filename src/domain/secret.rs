//! Client secrets: made from the operating system's random bytes, shown once, kept as a hash.

use std::fmt;

use aws_lc_rs::{
    constant_time::verify_slices_are_equal,
    digest::{Context, SHA256},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use thiserror::Error;

use super::{
    ids::{ClientId, Subject, TenantId},
    timestamp::Timestamp,
};

/// A secret in the clear: `ocs_`, the hint, `_`, 32 random bytes and a checksum of 6 bytes in base64url.
///
/// It has no `Serialize`, and its `Debug` says nothing: it reaches an answer only through [`ClientSecret::reveal`].
#[derive(Clone, PartialEq, Eq)]
pub struct ClientSecret(String);

/// Names a secret within its client: 8 characters of `[a-z0-9]`, part of no key material.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Hint(String);

/// SHA-256 of a secret, bound to its tenant, client and hint, so that a row copied to another client matches nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretHash([u8; 32]);

/// A secret as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSecret {
    /// Its name within the client.
    pub hint: Hint,
    /// What is left of the secret.
    pub hash: SecretHash,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by: Subject,
}

/// Random bytes for one secret: 32 for the secret, the others for hints.
#[derive(Clone)]
pub struct SecretSeed([u8; SecretSeed::LEN]);

/// A text is no hint, so no secret has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("is not 8 characters of a to z and 0 to 9")]
pub struct InvalidHint;

const PREFIX: &str = "ocs_";
const HINT_CHARS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
const HINT_LEN: usize = 8;
const KEY_LEN: usize = 32;
const CHECKSUM_LEN: usize = 6;
/// In base64url.
const CHECKSUM_CHARS: usize = 8;

impl SecretSeed {
    /// How many random bytes a seed is.
    pub const LEN: usize = KEY_LEN + 96;

    /// A seed of bytes from the operating system's generator.
    pub fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    fn key(&self) -> &[u8] {
        self.0.split_at(KEY_LEN).0
    }

    /// Hints to choose from, each character equally likely.
    fn hints(&self) -> impl Iterator<Item = Hint> {
        // Bytes from the last incomplete run of 36 on would make some characters likelier.
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
    /// Reads a hint.
    ///
    /// # Errors
    /// When it is not 8 characters of `[a-z0-9]`.
    pub fn parse(text: &str) -> Result<Self, InvalidHint> {
        if text.len() == HINT_LEN && text.bytes().all(|byte| HINT_CHARS.contains(&byte)) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidHint)
        }
    }

    /// The hint as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl ClientSecret {
    /// Makes a secret whose hint is none of those `taken`. Nothing if every hint of the seed is, which 2⁴¹ possible
    /// hints make a matter of theory.
    pub(super) fn generate(seed: &SecretSeed, taken: impl Fn(&Hint) -> bool) -> Option<(Hint, Self)> {
        let hint = seed.hints().find(|hint| !taken(hint))?;
        let key = URL_SAFE_NO_PAD.encode(seed.key());
        let body = format!("{PREFIX}{}_{key}", hint.0);
        let checksum = checksum(&body);
        Some((hint, Self(body + &checksum)))
    }

    /// Reads a secret that a client presents, and the hint in it. Nothing when its form or checksum is not that of a
    /// secret, so that a mistyped one is told without looking anything up.
    pub fn parse(text: &str) -> Option<(Hint, Self)> {
        let (body, given) = text.split_at_checked(text.len().checked_sub(CHECKSUM_CHARS)?)?;
        let (hint, key) = body.strip_prefix(PREFIX)?.split_at_checked(HINT_LEN)?;
        let key = URL_SAFE_NO_PAD.decode(key.strip_prefix('_')?).ok()?;
        let hint = Hint::parse(hint).ok()?;
        (key.len() == KEY_LEN && checksum(body) == given).then(|| (hint, Self(text.to_owned())))
    }

    /// Whether this is the secret of which a hash is kept. It takes as long when there is none.
    pub fn matches(
        &self,
        tenant: &TenantId,
        client: &ClientId,
        hint: &Hint,
        kept: Option<&SecretHash>,
    ) -> bool {
        let hash = self.hash(tenant, client, hint);
        let other = kept.map_or([0; 32], |kept| kept.0);
        let equal = verify_slices_are_equal(&hash.0, &other).is_ok();
        equal && kept.is_some()
    }

    /// The secret in the clear, for the one answer that holds it.
    pub fn reveal(self) -> String {
        self.0
    }

    /// What is kept of it.
    pub(super) fn hash(&self, tenant: &TenantId, client: &ClientId, hint: &Hint) -> SecretHash {
        let mut context = Context::new(&SHA256);
        for part in [
            "oauth-clients secret v1",
            tenant.as_str(),
            client.as_str(),
            hint.as_str(),
            &self.0,
        ] {
            // Each part with its length, so that no two lists of parts hash alike.
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        let mut hash = [0; 32];
        hash.copy_from_slice(context.finish().as_ref());
        SecretHash(hash)
    }
}

fn checksum(body: &str) -> String {
    let mut context = Context::new(&SHA256);
    context.update(body.as_bytes());
    let digest = context.finish();
    URL_SAFE_NO_PAD.encode(digest.as_ref().split_at(CHECKSUM_LEN).0)
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret(…)")
    }
}

impl SecretHash {
    /// A hash that was stored.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes to store.
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
    fn a_secret_that_is_mistyped_anywhere_is_none() {
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
    fn a_hint_that_is_taken_is_not_given_again() {
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
    fn debug_output_says_nothing() {
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
    fn a_hint_is_8_small_letters_and_digits() {
        assert!(Hint::parse("a1b2c3d4").is_ok());
        for text in ["", "a1b2c3d", "a1b2c3d45", "A1b2c3d4", "a1b2c3d_"] {
            assert_eq!(Hint::parse(text), Err(InvalidHint), "{text}");
        }
    }
}
