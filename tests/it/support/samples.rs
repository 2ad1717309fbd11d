//! Clients and keys to send.

use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

/// The body of the POST in the source document, unchanged.
pub(crate) const DOCUMENT_POST: &str = include_str!("../testdata/create.json");

/// A `web` client with its first secret.
pub(crate) fn web() -> Value {
    json!({"appType": "web", "clientName": "a web client"})
}

/// A client that has neither secrets nor keys.
pub(crate) fn spa() -> Value {
    json!({"appType": "spa", "clientName": "a single-page application"})
}

/// Returns a JSON object with members set, or left out where the value is null.
pub(crate) fn with(object: Value, changes: Value) -> Value {
    let (Value::Object(mut object), Value::Object(changes)) = (object, changes) else {
        panic!("both must be objects");
    };
    for (name, value) in changes {
        match value {
            Value::Null => drop(object.remove(&name)),
            value => drop(object.insert(name, value)),
        }
    }
    object.into()
}

/// Returns a JSON object with a member that is null.
pub(crate) fn with_null(object: Value, member: &str) -> Value {
    let Value::Object(mut object) = object else {
        panic!("it must be an object");
    };
    object.insert(member.to_owned(), Value::Null);
    object.into()
}

/// Returns a JSON object without some of its members.
pub(crate) fn without(object: &Value, members: &[&str]) -> Value {
    let object = object.as_object().unwrap().clone();
    let left: Map<String, Value> = object
        .into_iter()
        .filter(|(name, _)| !members.contains(&name.as_str()))
        .collect();
    left.into()
}

/// An RSA key that is strong enough to verify with.
pub(crate) fn rsa_key(kid: &str) -> Value {
    json!({"kid": kid, "kty": "RSA", "alg": "RS256", "use": "sig", "n": encode(&[0xc5; 256]), "e": "AQAB"})
}

/// An EC key, a point on P-384.
pub(crate) fn ec_key(kid: &str) -> Value {
    let pair = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
    // The uncompressed form of a point: 4, x, y.
    let (x, y) = pair.public_key().as_ref()[1..].split_at(48);
    json!({"kid": kid, "kty": "EC", "alg": "ES384", "use": "sig", "crv": "P-384", "x": encode(x), "y": encode(y)})
}

pub(crate) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
