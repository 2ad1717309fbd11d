//! The key of a client, which signs its assertions (RFC 7523).

use std::{
    num::NonZero,
    thread,
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use oauth_clients::domain::jwk::Jwk;
use serde_json::json;
use uuid::Uuid;

use crate::{
    signing_key::{KeyKind, SigningKey},
    support::Outcome,
};

pub(crate) const AUDIENCE: &str = "https://issuer.example.com";
const KEY_ID: &str = "measured";
/// Shorter than the maximum that the registry accepts.
const LIFETIME_SECONDS: u64 = 540;

pub(crate) struct Signer(SigningKey);

impl Signer {
    pub(crate) fn generate(kind: KeyKind) -> Outcome<Self> {
        Ok(Self(SigningKey::generate(kind)?))
    }

    /// Returns the public key, for registering it.
    pub(crate) fn public_key(&self) -> Jwk {
        Jwk {
            kid: KEY_ID.to_owned(),
            key_use: "sig".to_owned(),
            ..self.0.public()
        }
    }

    /// Returns the key itself.
    pub(crate) fn key(&self) -> &SigningKey {
        &self.0
    }

    /// Signs distinct assertions of a client, on all processors.
    pub(crate) fn sign(&self, client_id: &str, count: usize) -> Outcome<Vec<String>> {
        let threads = thread::available_parallelism().map_or(1, NonZero::get);
        let share = count.div_ceil(threads);
        thread::scope(|scope| {
            let signing = (0..threads).map(|_| scope.spawn(|| self.sign_in_turn(client_id, share)));
            let signing: Vec<_> = signing.collect();
            let mut signed = Vec::new();
            for share in signing {
                signed.extend(share.join().map_err(|_| "signing failed")??);
            }
            Ok(signed)
        })
    }

    fn sign_in_turn(&self, client_id: &str, count: usize) -> Outcome<Vec<String>> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        (0..count)
            .map(|_| self.sign_one(client_id, now + LIFETIME_SECONDS))
            .collect()
    }

    fn sign_one(&self, client_id: &str, expires: u64) -> Outcome<String> {
        let header = json!({"alg": self.0.algorithm(), "typ": "JWT", "kid": KEY_ID});
        let claims = json!({
            "iss": client_id, "sub": client_id, "aud": AUDIENCE, "exp": expires,
            "jti": Uuid::now_v7().simple().to_string(),
        });
        let signed = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
        let signature = self.0.sign(signed.as_bytes())?;
        Ok(format!("{signed}.{}", encode(signature)))
    }
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
