//! The key set of the issuer (RFC 7517).

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RsaPublicKeyComponents, VerificationAlgorithm,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse},
};
use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

/// A set of keys that verify tokens.
#[derive(Debug)]
pub struct KeySet {
    keys: Vec<Key>,
}

/// A key, and the algorithms that it may be used with. They come from the key, never from a token.
#[derive(Debug)]
pub(super) struct Key {
    id: Option<String>,
    pub(super) decoding: DecodingKey,
    algorithms: Vec<Algorithm>,
}

/// The error for a document that is not a usable key set.
#[derive(Debug, Error)]
pub enum KeySetError {
    /// It is not a JWKS.
    #[error("it is not a JSON Web Key Set (RFC 7517 section 5)")]
    Parse(#[from] serde_json::Error),
    /// It has no key that can verify a token.
    #[error("it has no key for RS256, RS384, RS512, ES256, ES384 or EdDSA")]
    NoUsableKey,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

impl KeySet {
    /// Parses a JWKS. Keys that are not supported, or not for verifying tokens, are ignored (RFC 7517 section 5).
    ///
    /// # Errors
    /// Returns an error if it is not a JWKS, or has no usable key.
    pub fn from_json(json: &[u8]) -> Result<Self, KeySetError> {
        let document: Document = serde_json::from_slice(json)?;
        let jwks = document
            .keys
            .into_iter()
            .filter_map(|key| serde_json::from_value(key).ok());
        let keys: Vec<Key> = jwks.filter_map(|jwk| read_key(&jwk)).collect();
        if keys.is_empty() {
            return Err(KeySetError::NoUsableKey);
        }
        Ok(Self { keys })
    }

    /// Returns `true` if a key has this id.
    pub(super) fn knows(&self, id: &str) -> bool {
        self.keys.iter().any(|key| key.id.as_deref() == Some(id))
    }

    /// Returns the key with this id and algorithm. Without an id, the set must have one key only. Keys for different
    /// algorithms may share an id (RFC 7517 section 4.5).
    pub(super) fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Option<&Key> {
        let suits = |key: &&Key| key.algorithms.contains(&algorithm);
        match (id, self.keys.as_slice()) {
            (Some(_), keys) => keys.iter().filter(|key| key.id.as_deref() == id).find(suits),
            (None, [key]) => Some(key).filter(suits),
            (None, _) => None,
        }
    }
}

/// Returns `true` if the key can verify a signature: a set without such a key must not replace one that has some.
fn is_sound(key: &AlgorithmParameters) -> bool {
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap_or_default();
    let parses = |algorithm, key: Vec<u8>| ParsedPublicKey::new(algorithm, key).is_ok();
    match key {
        AlgorithmParameters::RSA(key) => {
            let public = RsaPublicKeyComponents {
                n: decode(&key.n),
                e: decode(&key.e),
            };
            // Smaller keys than 256 bytes are refused when a signature is verified.
            let bytes = public.n.iter().skip_while(|byte| **byte == 0).count();
            bytes >= 256 && public.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256).is_ok()
        }
        AlgorithmParameters::EllipticCurve(key) => {
            let algorithm: &'static dyn VerificationAlgorithm = match key.curve {
                EllipticCurve::P256 => &ECDSA_P256_SHA256_FIXED,
                _ => &ECDSA_P384_SHA384_FIXED,
            };
            // The uncompressed form of a point (SEC 1 section 2.3.3).
            parses(algorithm, [vec![4], decode(&key.x), decode(&key.y)].concat())
        }
        AlgorithmParameters::OctetKeyPair(key) => parses(&ED25519, decode(&key.x)),
        _ => false,
    }
}

fn read_key(jwk: &Jwk) -> Option<Key> {
    use Algorithm::{ES256, ES384, EdDSA, RS256, RS384, RS512};
    let common = &jwk.common;
    let for_signatures = matches!(common.public_key_use, None | Some(PublicKeyUse::Signature));
    let operations = common.key_operations.as_ref();
    let verifies = operations.is_none_or(|operations| operations.contains(&KeyOperations::Verify));
    if !(for_signatures && verifies && is_sound(&jwk.algorithm)) {
        return None;
    }
    let possible = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => vec![RS256, RS384, RS512],
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => vec![ES256],
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P384 => vec![ES384],
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => vec![EdDSA],
        _ => return None,
    };
    let algorithms = match &jwk.common.key_algorithm {
        None => possible,
        Some(own) => {
            let own = own.to_string().parse().ok()?;
            possible
                .into_iter()
                .filter(|algorithm| *algorithm == own)
                .collect()
        }
    };
    let decoding = DecodingKey::from_jwk(jwk).ok()?;
    (!algorithms.is_empty()).then(|| Key {
        id: jwk.common.key_id.clone(),
        decoding,
        algorithms,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ec(kid: &str) -> Value {
        json!({
            "kty": "EC", "crv": "P-256", "kid": kid,
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        })
    }

    fn with(mut key: Value, member: &str, value: &str) -> Value {
        key[member] = json!(value);
        key
    }

    fn read(keys: &[Value]) -> Result<KeySet, KeySetError> {
        KeySet::from_json(json!({ "keys": keys }).to_string().as_bytes())
    }

    #[test]
    fn keys_that_are_not_supported_are_ignored() {
        let unsupported = [
            json!({"kty": "AKP", "alg": "ML-DSA-44", "kid": "a", "pub": "AA"}),
            json!({"kty": "oct", "k": "c2VjcmV0", "kid": "a"}),
            with(ec("a"), "use", "enc"),
            with(ec("a"), "alg", "ES384"),
            with(ec("a"), "alg", "HS256"),
            with(ec("a"), "crv", "secp256k1"),
            json!({"kty": "RSA", "kid": "a"}),
            json!({"kty": "RSA", "kid": "a", "n": URL_SAFE_NO_PAD.encode([0xc5; 128]), "e": "AQAB"}),
            json!({"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": "AAAA"}),
            with(ec("a"), "x", "AAAA"),
            with(ec("a"), "y", "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"),
            json!({"key_ops": ["encrypt"], "kty": "EC", "crv": "P-256", "kid": "a", "x": ec("a")["x"], "y": ec("a")["y"]}),
            json!("a"),
        ];
        for key in &unsupported {
            assert!(
                matches!(read(std::slice::from_ref(key)), Err(KeySetError::NoUsableKey)),
                "{key}"
            );
        }
        let set = read(&[&unsupported[..], &[ec("b")]].concat()).unwrap();
        assert!(set.knows("b") && !set.knows("a"));
    }

    #[test]
    fn other_documents_are_refused() {
        for text in ["", "[]", "{}", "{\"keys\": {}}", "<html>"] {
            let outcome = KeySet::from_json(text.as_bytes());
            assert!(matches!(outcome, Err(KeySetError::Parse(_))), "{text}");
        }
    }

    #[test]
    fn a_key_is_found_by_its_id_for_its_algorithm() {
        use Algorithm::{ES256, HS256, RS256};
        let one = read(&[ec("a")]).unwrap();
        assert!(one.find(Some("a"), ES256).is_some());
        assert!(one.find(None, ES256).is_some(), "the only key need not be named");
        for (id, algorithm) in [
            (Some("b"), ES256),
            (Some("a"), RS256),
            (Some("a"), HS256),
            (None, RS256),
        ] {
            assert!(one.find(id, algorithm).is_none(), "{id:?} {algorithm:?}");
        }
        let two = read(&[ec("a"), ec("b")]).unwrap();
        assert!(
            two.find(None, ES256).is_none(),
            "one of several keys must be named"
        );
    }
}
