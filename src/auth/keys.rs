//! The key set of the issuer (RFC 7517).

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
};

use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

use super::jwk::{self, KeyFlaw};

/// The most keys that a token is verified with, as each costs a signature check.
const MAX_CANDIDATES: usize = 8;
/// The most unusable keys that an error names.
const MAX_NAMED: usize = 8;
/// The most characters of a `kid` that are logged.
const MAX_LOGGED_ID_CHARS: usize = 64;

/// A set of keys that verify tokens.
#[derive(Debug)]
pub struct KeySet {
    keys: Vec<Key>,
    unusable: Vec<UnusableKey>,
}

/// A key, and the algorithms that it may be used with. They come from the key, never from a token.
#[derive(Debug)]
pub(super) struct Key {
    id: Option<String>,
    decoding: DecodingKey,
    algorithms: &'static [Algorithm],
}

/// A key that verifies no tokens, with its flaw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UnusableKey {
    /// Its place in the set, from 1.
    pub(super) number: usize,
    /// Its `kid` in a printable form.
    pub(super) id: Option<String>,
    pub(super) flaw: KeyFlaw,
}

/// A `kid` of more keys for one algorithm than are tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CrowdedId {
    /// The `kid` in a printable form.
    pub(super) id: Option<String>,
    /// The number of its keys.
    pub(super) keys: usize,
}

/// The keys of a set of which none can be used.
#[derive(Debug)]
pub struct UnusableKeys(Vec<UnusableKey>);

/// The error for a document that is not a usable key set.
#[derive(Debug, Error)]
pub enum KeySetError {
    /// It is not JSON.
    #[error("it is not a JSON Web Key Set (RFC 7517 section 5)")]
    Json(#[source] serde_json::Error),
    /// It is not a JWKS. The parser's error would repeat values, which may be secret.
    #[error("it is not a JSON Web Key Set (RFC 7517 section 5): it needs one array keys")]
    NotAKeySet,
    /// It has no key that can verify a token.
    #[error("it has no key for RS256, RS384, RS512, ES256, ES384 or EdDSA: {0}")]
    NoUsableKey(UnusableKeys),
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
        let document: Document = serde_json::from_slice(json).map_err(|error| {
            if error.is_data() {
                KeySetError::NotAKeySet
            } else {
                KeySetError::Json(error)
            }
        })?;
        let (mut keys, mut unusable) = (Vec::new(), Vec::new());
        for (index, jwk) in document.keys.iter().enumerate() {
            let id = jwk.get("kid").and_then(Value::as_str);
            match jwk::read(jwk) {
                Ok((decoding, algorithms)) => keys.push(Key {
                    id: id.map(str::to_owned),
                    decoding,
                    algorithms,
                }),
                Err(flaw) => unusable.push(UnusableKey {
                    number: index + 1,
                    id: id.map(printable),
                    flaw,
                }),
            }
        }
        if keys.is_empty() {
            return Err(KeySetError::NoUsableKey(UnusableKeys(unusable)));
        }
        Ok(Self { keys, unusable })
    }

    /// Returns the keys that verify no tokens.
    pub(super) fn unusable(&self) -> &[UnusableKey] {
        &self.unusable
    }

    /// Returns each `kid` of more keys for one algorithm than are tried for a token.
    pub(super) fn crowded(&self) -> Vec<CrowdedId> {
        let mut counts: HashMap<_, usize> = HashMap::new();
        for key in &self.keys {
            for algorithm in key.algorithms {
                *counts.entry((key.id.as_deref(), algorithm)).or_default() += 1;
            }
        }
        let mut crowded: BTreeMap<_, usize> = BTreeMap::new();
        for ((id, _), keys) in counts.into_iter().filter(|(_, keys)| *keys > MAX_CANDIDATES) {
            let most = crowded.entry(id).or_default();
            *most = keys.max(*most);
        }
        let crowded = crowded.into_iter();
        crowded
            .map(|(id, keys)| CrowdedId {
                id: id.map(printable),
                keys,
            })
            .collect()
    }

    /// Returns `true` if a key has this id.
    pub(super) fn knows(&self, id: &str) -> bool {
        self.keys.iter().any(|key| key.id.as_deref() == Some(id))
    }

    /// Returns the first keys with this id, or of the whole set without an id, that are for an algorithm. Keys should have
    /// distinct ids, but need not (RFC 7517 section 4.5).
    pub(super) fn candidates(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
    ) -> impl Iterator<Item = &DecodingKey> {
        self.keys
            .iter()
            .filter(move |key| id.is_none() || key.id.as_deref() == id)
            .filter(move |key| key.algorithms.contains(&algorithm))
            .take(MAX_CANDIDATES)
            .map(|key| &key.decoding)
    }
}

/// Returns the start of a `kid`, with its control characters escaped.
fn printable(id: &str) -> String {
    id.escape_debug().take(MAX_LOGGED_ID_CHARS).collect()
}

impl fmt::Display for UnusableKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(keys) = self;
        if keys.is_empty() {
            return f.write_str("it has no keys");
        }
        for (index, key) in keys.iter().take(MAX_NAMED).enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{key}")?;
        }
        match keys.len().saturating_sub(MAX_NAMED) {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

impl fmt::Display for UnusableKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, id, flaw } = self;
        match id {
            Some(id) => write!(f, "key {number} (kid {id}): {flaw}"),
            None => write!(f, "key {number} (no kid): {flaw}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
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

    fn rsa(n: &[u8], e: &[u8]) -> Value {
        json!({"kty": "RSA", "kid": "a", "n": URL_SAFE_NO_PAD.encode(n), "e": URL_SAFE_NO_PAD.encode(e)})
    }

    #[test]
    fn each_key_that_verifies_nothing_has_its_flaw() {
        use KeyFlaw::{
            Algorithm, Base64Url, Curve, Exponent, KeyType, MissingMember, Modulus, NotAnObject, NotOnCurve,
            Operations, Use, WrongType,
        };
        let operations = |operations: Value| {
            let mut key = ec("a");
            key["key_ops"] = operations;
            key
        };
        // 2,047 bits fill as many bytes as 2,048.
        let (long, almost) = ([0xc5; 256], [&[0x7f], [0xc5; 255].as_slice()].concat());
        let flawed = [
            (
                json!({"kty": "AKP", "alg": "ML-DSA-44", "kid": "a", "pub": "AA"}),
                KeyType,
            ),
            (json!({"kty": "oct", "k": "c2VjcmV0", "kid": "a"}), KeyType),
            (json!({"kid": "a"}), KeyType),
            (with(ec("a"), "kty", "ec"), KeyType),
            (with(ec("a"), "use", "enc"), Use),
            (with(ec("a"), "use", ""), Use),
            (operations(json!(["encrypt"])), Operations),
            (operations(json!([])), Operations),
            (operations(json!("verify")), WrongType),
            (with(ec("a"), "alg", "ES384"), Algorithm),
            (with(ec("a"), "alg", "HS256"), Algorithm),
            (with(ec("a"), "alg", "ES256K"), Algorithm),
            (with(ec("a"), "alg", ""), Algorithm),
            (with(rsa(&long, &[3]), "alg", "PS256"), Algorithm),
            (with(rsa(&long, &[3]), "alg", "RSA-OAEP"), Algorithm),
            (with(ec("a"), "crv", "secp256k1"), Curve),
            (with(ec("a"), "crv", "Ed25519"), Curve),
            (
                json!({"kty": "OKP", "crv": "X25519", "kid": "a", "x": "AAAA"}),
                Curve,
            ),
            (json!({"kty": "RSA", "kid": "a"}), MissingMember),
            (
                json!({"kty": "EC", "crv": "P-256", "kid": "a", "x": "AAAA"}),
                MissingMember,
            ),
            (rsa(&[0xc5; 128], &[3]), Modulus),
            (rsa(&almost, &[3]), Modulus),
            (rsa(&[0xc5; 1025], &[3]), Modulus),
            (rsa(&[], &[3]), Modulus),
            (rsa(&long, &[]), Exponent),
            (rsa(&long, &[1]), Exponent),
            (rsa(&long, &[2]), Exponent),
            (rsa(&long, &[1, 0, 0, 0, 0, 0, 0, 0, 3]), Exponent),
            (with(rsa(&long, &[3]), "n", "x+/="), Base64Url),
            (
                json!({"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": "AAAA"}),
                NotOnCurve,
            ),
            (with(ec("a"), "x", "AAAA"), NotOnCurve),
            (
                with(ec("a"), "y", "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"),
                NotOnCurve,
            ),
            (json!({"kty": 1}), WrongType),
            (json!({"kty": "EC", "kid": ["a"]}), WrongType),
            (json!("a"), NotAnObject),
        ];
        for (key, flaw) in &flawed {
            match read(std::slice::from_ref(key)) {
                Err(KeySetError::NoUsableKey(UnusableKeys(keys))) => {
                    let id = key["kid"].as_str().map(str::to_owned);
                    let (number, flaw) = (1, *flaw);
                    assert_eq!(keys, [UnusableKey { number, id, flaw }], "{key}");
                }
                other => panic!("{key}: {other:?}"),
            }
        }
        let all: Vec<Value> = flawed
            .iter()
            .map(|(key, _)| key.clone())
            .chain([ec("b")])
            .collect();
        let set = read(&all).unwrap();
        assert!(set.knows("b") && !set.knows("a"));
        assert_eq!(set.unusable().len(), flawed.len());
        assert_eq!(set.unusable()[3].number, 4);
    }

    /// Returns the coordinates of a point of which the first begins with one zero.
    fn short_point() -> (Vec<u8>, Vec<u8>) {
        loop {
            let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
            let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
            if x[0] == 0 && x[1] != 0 {
                return (x.to_vec(), y.to_vec());
            }
        }
    }

    #[test]
    fn a_coordinate_may_be_a_big_integer() {
        let (x, y) = short_point();
        let key = |x: &[u8]| {
            let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(&y));
            json!({"kty": "EC", "crv": "P-256", "x": x, "y": y})
        };
        for x in [
            &x[..],
            &x[1..],
            &[&[0], &x[..]].concat(),
            &[&[0, 0], &x[1..]].concat(),
        ] {
            assert!(read(&[key(x)]).is_ok(), "{x:?}");
        }
        for x in [&[&[1], &x[..]].concat(), &x[2..], &[&x[..], &[0]].concat()] {
            assert!(read(&[key(x)]).is_err(), "{x:?}");
        }
    }

    #[test]
    fn other_documents_are_refused() {
        for text in ["", "<html>", "{\"keys\": ["] {
            let outcome = KeySet::from_json(text.as_bytes());
            assert!(matches!(outcome, Err(KeySetError::Json(_))), "{text}");
        }
        for text in [
            "[]",
            "{}",
            "{\"keys\": {}}",
            "{\"keys\": null}",
            "{\"keys\": [], \"keys\": []}",
        ] {
            let outcome = KeySet::from_json(text.as_bytes());
            assert!(matches!(outcome, Err(KeySetError::NotAKeySet)), "{text}");
        }
    }

    #[test]
    fn keys_are_found_by_id_and_algorithm() {
        use Algorithm::{ES256, ES384, HS256, RS256, RS384, RS512};
        let count = |set: &KeySet, id, algorithm| set.candidates(id, algorithm).count();
        let set = read(&[ec("a"), rsa(&[0xc5; 256], &[3]), ec("a"), ec("b")]).unwrap();
        for (id, algorithm, found) in [
            (Some("a"), ES256, 2),
            (Some("b"), ES256, 1),
            (Some("a"), RS256, 1),
            (Some("a"), RS384, 1),
            (Some("a"), RS512, 1),
            (Some("b"), RS256, 0),
            (Some("c"), ES256, 0),
            (Some(""), ES256, 0),
            (Some("a"), ES384, 0),
            (Some("a"), HS256, 0),
            (None, ES256, 3),
            (None, RS256, 1),
            (None, HS256, 0),
        ] {
            assert_eq!(count(&set, id, algorithm), found, "{id:?} {algorithm:?}");
        }
        let own = read(&[with(rsa(&[0xc5; 256], &[3]), "alg", "RS384")]).unwrap();
        assert_eq!((count(&own, None, RS256), count(&own, None, RS384)), (0, 1));
        let many = read(&[0; 20].map(|_| ec("a"))).unwrap();
        assert_eq!(
            (count(&many, None, ES256), count(&many, Some("a"), ES256)),
            (8, 8)
        );
    }

    #[test]
    fn a_kid_of_more_than_eight_keys_is_crowded() {
        let mut keys: Vec<Value> = [0; 8].map(|_| ec("a")).to_vec();
        keys.push(rsa(&[0xc5; 256], &[3]));
        keys.extend((0..20).map(|number| ec(&number.to_string())));
        assert_eq!(read(&keys).unwrap().crowded(), []);
        keys.push(ec("a"));
        let id = Some("a".to_owned());
        assert_eq!(read(&keys).unwrap().crowded(), [CrowdedId { id, keys: 9 }]);
    }
}
