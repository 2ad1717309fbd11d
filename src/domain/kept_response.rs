//! Responses as they are kept for retries: encrypted (AES-256-GCM, NIST SP 800-38D) under a key that is derived (HKDF with
//! SHA-256, RFC 5869) from the idempotency key of the request, which is not kept.

use std::fmt;

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    error::Unspecified,
    hkdf::{HKDF_SHA256, Salt},
};
use thiserror::Error;

use super::{
    digest::{Sha256, sha256_of_texts},
    idempotency_key::IdempotencyKey,
    ids::{Subject, TenantId},
};

/// Decrypts the response to a request, and names it. Both are derived from the idempotency key and the caller, and neither
/// from the other.
pub struct ResponseKey {
    name: Sha256,
    key: LessSafeKey,
}

/// The digest of the method and the message of a request, without its idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageDigest(Sha256);

/// Random bytes, drawn anew for each response: after a failure, the same key encrypts another one.
#[derive(Debug, Clone, Copy)]
pub struct ResponseNonce([u8; ResponseNonce::LEN]);

/// The cryptography library failed, which only a lack of memory explains.
#[derive(Debug, Clone, Copy, Error)]
#[error("the cryptography library failed")]
pub struct CryptographyFailed;

/// Tells these derivations from others.
const SALT: &[u8] = b"oauth-clients kept response v1";

impl ResponseKey {
    /// Derives the key of the response to a request of a caller.
    ///
    /// # Errors
    /// If the cryptography library fails.
    pub fn derive(
        key: &IdempotencyKey,
        tenant: &TenantId,
        subject: &Subject,
    ) -> Result<Self, CryptographyFailed> {
        let caller = sha256_of_texts(&[tenant.as_str(), subject.as_str()]);
        let secret = Salt::new(HKDF_SHA256, SALT).extract(key.as_bytes());
        let mut name = Sha256::default();
        secret.expand(&[b"name", &caller], HKDF_SHA256)?.fill(&mut name)?;
        let key = UnboundKey::from(secret.expand(&[b"key", &caller], &AES_256_GCM)?);
        Ok(Self {
            name,
            key: LessSafeKey::new(key),
        })
    }

    /// Returns the name under which the response is kept.
    pub fn name(&self) -> &Sha256 {
        &self.name
    }

    /// Encrypts the response to a message.
    ///
    /// # Errors
    /// If the cryptography library fails.
    pub fn seal(
        &self,
        nonce: ResponseNonce,
        message: &MessageDigest,
        mut response: Vec<u8>,
    ) -> Result<Vec<u8>, CryptographyFailed> {
        let unique = Nonce::assume_unique_for_key(nonce.0);
        self.key
            .seal_in_place_append_tag(unique, Aad::from(message.0), &mut response)?;
        Ok([nonce.0.as_slice(), &response].concat())
    }

    /// Decrypts the response to a message. Returns `None` if it is not what was encrypted for it.
    pub fn open(&self, message: &MessageDigest, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let mut response = sealed.to_vec();
        let opened = self
            .key
            .open_in_place(Nonce::from(nonce), Aad::from(message.0), &mut response);
        let length = opened.ok()?.len();
        response.truncate(length);
        Some(response)
    }
}

impl fmt::Debug for ResponseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponseKey(…)")
    }
}

impl MessageDigest {
    /// Makes the digest of a method, by its path, and of its message, encoded.
    pub fn of(method: &str, message: &[u8]) -> Self {
        Self(sha256_of_texts(&[method.as_bytes(), message]))
    }

    /// Returns the bytes to store.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl ResponseNonce {
    /// The length of a nonce, in bytes.
    pub const LEN: usize = NONCE_LEN;

    /// Makes a nonce of bytes from the operating system's generator.
    pub fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }
}

impl From<Unspecified> for CryptographyFailed {
    fn from(_: Unspecified) -> Self {
        Self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";

    fn derived(key: &str, tenant: &str, subject: &str) -> ResponseKey {
        let key = IdempotencyKey::parse(key).unwrap();
        ResponseKey::derive(
            &key,
            &TenantId::parse(tenant).unwrap(),
            &Subject::parse(subject).unwrap(),
        )
        .unwrap()
    }

    fn nonce(byte: u8) -> ResponseNonce {
        ResponseNonce::from_bytes([byte; ResponseNonce::LEN])
    }

    #[test]
    fn what_is_sealed_is_opened_with_the_same_key_and_message() {
        let message = MessageDigest::of("/a.B/C", b"message");
        for response in [&b""[..], b"a response", &vec![7; 300_000]] {
            let sealed = derived(KEY, "t", "s")
                .seal(nonce(1), &message, response.to_vec())
                .unwrap();
            assert_eq!(sealed.len(), ResponseNonce::LEN + response.len() + 16);
            let opened = derived(&KEY.to_uppercase(), "t", "s").open(&message, &sealed);
            assert_eq!(opened.as_deref(), Some(response));
        }
    }

    #[test]
    fn nothing_else_opens_it() {
        let message = MessageDigest::of("/a.B/C", b"message");
        let key = derived(KEY, "t", "s");
        let sealed = key.seal(nonce(1), &message, b"a response".to_vec()).unwrap();
        let text = String::from_utf8_lossy(&sealed).into_owned();
        assert!(!text.contains("response"), "{text}");

        for other in [
            derived("3f2504e0-4f89-41d3-9a0c-0305e82c3302", "t", "s"),
            derived(KEY, "u", "s"),
            derived(KEY, "t", "u"),
            derived(KEY, "ts", "s"),
        ] {
            assert_eq!(other.open(&message, &sealed), None);
            assert_ne!(other.name(), key.name());
        }
        for other in [
            MessageDigest::of("/a.B/D", b"message"),
            MessageDigest::of("/a.B/C", b"messages"),
            MessageDigest::of("/a.B/Cm", b"essage"),
        ] {
            assert_eq!(key.open(&other, &sealed), None);
        }
        for at in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1;
            assert_eq!(key.open(&message, &damaged), None, "{at}");
            assert_eq!(key.open(&message, &sealed[..at]), None, "{at}");
        }
    }

    #[test]
    fn the_derivation_stays_the_same_from_release_to_release() {
        // HKDF of RFC 5869, made of HMAC alone.
        use aws_lc_rs::hmac;
        let mac = |key: &[u8], parts: &[&[u8]]| {
            let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
            for part in parts {
                context.update(part);
            }
            context.sign().as_ref().to_vec()
        };
        let uuid = uuid::Uuid::try_parse(KEY).unwrap();
        let secret = mac(b"oauth-clients kept response v1", &[uuid.as_bytes()]);
        let caller = sha256_of_texts(&["t", "s"]);
        let name = mac(&secret, &[b"name", &caller, &[1]]);
        let key = mac(&secret, &[b"key", &caller, &[1]]);

        let derived = derived(KEY, "t", "s");
        assert_eq!(derived.name().as_slice(), name);
        let message = MessageDigest::of("/a.B/C", b"message");
        let sealed = derived.seal(nonce(1), &message, b"a response".to_vec()).unwrap();
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key).unwrap());
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>().unwrap();
        let mut opened = sealed.to_vec();
        let aad = Aad::from(sha256_of_texts(&[&b"/a.B/C"[..], b"message"]));
        let opened = key.open_in_place(Nonce::from(nonce), aad, &mut opened).unwrap();
        assert_eq!(opened, b"a response");
    }

    #[test]
    fn debug_shows_no_key() {
        assert_eq!(format!("{:?}", derived(KEY, "t", "s")), "ResponseKey(…)");
    }
}
