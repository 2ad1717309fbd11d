//! The key of a client, which signs its assertions (RFC 7523).

use std::{
    num::NonZero,
    thread,
    time::{SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use oauth_clients::domain::jwk::Jwk;
use serde_json::json;
use uuid::Uuid;

use crate::support::Outcome;

pub(crate) const AUDIENCE: &str = "https://issuer.example.com";
const KEY_ID: &str = "measured";
/// Shorter than the maximum that the registry accepts.
const LIFETIME_SECONDS: u64 = 540;

/// A P-384 key.
pub(crate) struct Signer(EcdsaKeyPair);

impl Signer {
    pub(crate) fn generate() -> Outcome<Self> {
        Ok(Self(EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING)?))
    }

    /// Returns the public key, for registering it.
    pub(crate) fn public_key(&self) -> Jwk {
        // The uncompressed form of a point: 4, x, y (SEC 1 section 2.3.3).
        let point = self.0.public_key().as_ref().split_at(1).1;
        let (x, y) = point.split_at(48);
        Jwk {
            kid: KEY_ID.to_owned(),
            kty: "EC".to_owned(),
            alg: "ES384".to_owned(),
            key_use: "sig".to_owned(),
            crv: Some("P-384".to_owned()),
            x: Some(encode(x)),
            y: Some(encode(y)),
            ..Jwk::default()
        }
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
        let header = json!({"alg": "ES384", "typ": "JWT", "kid": KEY_ID});
        let claims = json!({
            "iss": client_id, "sub": client_id, "aud": AUDIENCE, "exp": expires,
            "jti": Uuid::now_v7().simple().to_string(),
        });
        let signed = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
        let signature = self.0.sign(&SystemRandom::new(), signed.as_bytes())?;
        Ok(format!("{signed}.{}", encode(signature)))
    }
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
