//! The keys that may have signed a token (RFC 7517).

use std::{io, path::Path};

use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, PublicKeyUse},
};
use thiserror::Error;

/// A set of verification keys.
#[derive(Debug)]
pub struct KeySet {
    keys: Vec<Key>,
}

/// A key, and the algorithms that it may be used with: its own, never what a token says.
#[derive(Debug)]
pub(super) struct Key {
    id: Option<String>,
    pub(super) decoding: DecodingKey,
    pub(super) algorithms: Vec<Algorithm>,
}

/// Why there are no keys.
#[derive(Debug, Error)]
pub enum KeySetError {
    /// The file cannot be read.
    #[error("the JWKS file cannot be read")]
    Read(#[from] io::Error),
    /// The file is no JWKS.
    #[error("the JWKS file is not a JSON Web Key Set (RFC 7517 section 5)")]
    Parse(#[from] serde_json::Error),
    /// The set has no key that can verify a token.
    #[error("the JWKS file has no key for RS256, RS384, RS512, ES256, ES384 or EdDSA")]
    NoUsableKey,
}

impl KeySet {
    /// Reads a JWKS file.
    ///
    /// # Errors
    /// When it cannot be read, is no JWKS, or has no usable key.
    pub fn from_file(path: &Path) -> Result<Self, KeySetError> {
        Self::from_json(&std::fs::read(path)?)
    }

    /// Reads a JWKS. Keys that are not for verifying tokens are left out (RFC 7517 section 5).
    ///
    /// # Errors
    /// When it is none, or has no usable key.
    pub fn from_json(json: &[u8]) -> Result<Self, KeySetError> {
        let set: JwkSet = serde_json::from_slice(json)?;
        let keys: Vec<Key> = set.keys.iter().filter_map(read_key).collect();
        if keys.is_empty() {
            return Err(KeySetError::NoUsableKey);
        }
        Ok(Self { keys })
    }

    /// The key that a token names, or the only one when it names none.
    pub(super) fn find(&self, id: Option<&str>) -> Option<&Key> {
        match (id, self.keys.as_slice()) {
            (Some(_), keys) => keys.iter().find(|key| key.id.as_deref() == id),
            (None, [key]) => Some(key),
            (None, _) => None,
        }
    }
}

fn read_key(jwk: &Jwk) -> Option<Key> {
    use Algorithm::{ES256, ES384, EdDSA, RS256, RS384, RS512};
    if !matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature)) {
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
        Some(said) => {
            let said = said.to_string().parse().ok()?;
            possible
                .into_iter()
                .filter(|algorithm| *algorithm == said)
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
