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
    /// The public key as a client registers it.
    pub(crate) fn registered(&self) -> Value {
        with(self.jwk(), json!({"alg": self.algorithm}))
    }

    /// A good assertion of a client with claims changed, or, where they are null, left out.
    pub(crate) fn assertion(&self, client: &str, claims: Value) -> String {
        self.assertion_with(json!({}), client, claims)
    }

    /// An assertion like that, with members of its header changed too.
    pub(crate) fn assertion_with(&self, header: Value, client: &str, claims: Value) -> String {
        let good = json!({"alg": self.algorithm, "typ": "JWT", "kid": self.kid});
        self.sign_input(&signing_input(
            &with(good, header),
            &with(good_assertion(client), claims),
        ))
    }
}

/// The claims of a good assertion, which nobody has used.
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

/// A client that authenticates with these keys only.
pub(crate) fn keyed(keys: &[&SigningKey]) -> Value {
    let keys: Vec<Value> = keys.iter().map(|key| key.registered()).collect();
    with(
        web(),
        json!({"allowedAuthMethods": ["private_key_jwt"], "publicKeys": keys}),
    )
}

/// What is asked about an assertion.
pub(crate) fn presented(jwt: &str) -> Value {
    presented_to(jwt, &[TOKEN_ENDPOINT])
}

pub(crate) fn presented_to(jwt: &str, audiences: &[&str]) -> Value {
    json!({"clientAssertion": {"jwt": jwt, "audiences": audiences}})
}

impl Caller<'_> {
    /// Whether an assertion is taken.
    pub(crate) async fn takes_assertion(&self, jwt: &str) -> bool {
        is_authenticated(&self.authenticate(presented(jwt)).await.unwrap())
    }
}
