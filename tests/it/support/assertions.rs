//! Clients with keys, and the assertions that they sign (RFC 7523).

use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Caller,
    authn::is_authenticated,
    issuer::{SigningKey, signing_input},
    jwt::now,
    samples::{web, with},
};

/// The name of the authorization server.
pub(crate) const TOKEN_ENDPOINT: &str = "https://login.example/token";

impl SigningKey {
    /// Returns the public key as a client registers it.
    pub(crate) fn registered(&self) -> Value {
        with(self.jwk(), json!({"alg": self.algorithm}))
    }

    /// Returns a valid assertion of a client with some claims changed, or left out where they are null.
    pub(crate) fn assertion(&self, client: &str, claims: Value) -> String {
        self.assertion_with(json!({}), client, claims)
    }

    /// Returns such an assertion with members of its header changed too.
    pub(crate) fn assertion_with(&self, header: Value, client: &str, claims: Value) -> String {
        let good = json!({"alg": self.algorithm, "typ": "JWT", "kid": self.kid});
        self.sign_input(&signing_input(
            &with(good, header),
            &with(good_assertion(client), claims),
        ))
    }
}

/// Returns the claims of a valid assertion that was not used yet.
pub(crate) fn good_assertion(client: &str) -> Value {
    json!({
        "iss": client,
        "sub": client,
        "aud": TOKEN_ENDPOINT,
        "exp": now() + 60,
        "iat": now(),
        "jti": Uuid::now_v7(),
    })
}

/// Returns a client that authenticates only with these keys.
pub(crate) fn keyed(keys: &[&SigningKey]) -> Value {
    let keys: Vec<Value> = keys.iter().map(|key| key.registered()).collect();
    with(
        web(),
        json!({"allowedAuthMethods": ["private_key_jwt"], "publicKeys": keys}),
    )
}

/// Returns the request that presents an assertion.
pub(crate) fn presented(jwt: &str) -> Value {
    presented_to(jwt, &[TOKEN_ENDPOINT])
}

pub(crate) fn presented_to(jwt: &str, audiences: &[&str]) -> Value {
    json!({"clientAssertion": {"jwt": jwt, "audiences": audiences}})
}

impl Caller<'_> {
    /// Returns `true` if an assertion is accepted.
    pub(crate) async fn takes_assertion(&self, jwt: &str) -> bool {
        is_authenticated(&self.authenticate(presented(jwt)).await.unwrap())
    }
}
