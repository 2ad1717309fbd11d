//! Tokens with anything in them, signed with the development key of a server.

use std::{
    fs,
    time::{SystemTime, UNIX_EPOCH},
};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use super::{TestServer, samples::with};

impl TestServer {
    /// Returns a valid token of the tenant `acme` with some claims changed, or left out where they are null.
    pub(crate) fn token_with(&self, claims: Value) -> String {
        self.sign(|_| {}, claims)
    }

    /// Returns such a token with another header.
    pub(crate) fn sign(&self, change: impl FnOnce(&mut Header), claims: Value) -> String {
        let good = self.token("acme", "admin", "");
        let mut header = jsonwebtoken::decode_header(good).unwrap();
        change(&mut header);
        jsonwebtoken::encode(&header, &with(good_claims(), claims), &self.dev_key()).unwrap()
    }

    fn dev_key(&self) -> EncodingKey {
        let key = fs::read(self.data_dir().join("dev-signing-key.p8")).unwrap();
        EncodingKey::from_ec_der(&key)
    }
}

fn good_claims() -> Value {
    json!({
        "iss": "oauth-clients-dev",
        "aud": "oauth-clients",
        "sub": "admin",
        "tenant_id": "acme",
        "scope": "oauth-clients:read oauth-clients:write",
        "exp": now() + 60,
    })
}

/// Returns the seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Returns a token that is signed with the public key as the secret.
pub(crate) fn hmac_token() -> String {
    let key = EncodingKey::from_secret(b"public");
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &good_claims(), &key).unwrap()
}

/// Returns an unsigned token (RFC 7519 section 6).
pub(crate) fn unsigned_token() -> String {
    let encode = |value: Value| super::samples::encode(value.to_string().as_bytes());
    format!("{}.{}.", encode(json!({"alg": "none"})), encode(good_claims()))
}
