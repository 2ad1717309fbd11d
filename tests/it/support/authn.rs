//! The requests of an authorization server.

use oauth_clients::auth::dev_key::all_scopes;
use serde_json::{Value, json};

use super::{Caller, Refused, TestServer, Transport};

impl TestServer {
    /// Returns a platform service, which sees every tenant.
    pub(crate) fn platform(&self) -> Caller<'_> {
        self.caller(Some(self.token("*", "authorization-server", all_scopes())))
    }
}

impl Caller<'_> {
    pub(crate) async fn lookup(&self, id: &str) -> Result<Value, Refused> {
        self.call(Transport::Grpc, "LookupClient", json!({"clientId": id}))
            .await
    }

    pub(crate) async fn authenticate(&self, request: Value) -> Result<Value, Refused> {
        self.call(Transport::Grpc, "AuthenticateClient", request).await
    }

    /// Returns `true` if a secret is accepted.
    pub(crate) async fn takes_secret(&self, id: &str, secret: &str) -> bool {
        let request = json!({"clientId": id, "clientSecret": secret});
        is_authenticated(&self.authenticate(request).await.unwrap())
    }

    pub(crate) async fn disable(&self, id: &str, reason: &str) -> Result<Value, Refused> {
        let request = json!({"clientId": id, "reason": reason});
        self.call(Transport::Grpc, "DisableOAuthClient", request).await
    }

    pub(crate) async fn enable(&self, id: &str) -> Result<Value, Refused> {
        self.call(Transport::Grpc, "EnableOAuthClient", json!({"clientId": id}))
            .await
    }
}

/// Returns `true` if a response has an authenticated client, and asserts that it is that or a rejection.
pub(crate) fn is_authenticated(answer: &Value) -> bool {
    if *answer == json!({"rejected": {}}) {
        return false;
    }
    assert!(answer["authenticated"].is_object(), "{answer}");
    true
}

/// Returns the secret in the response that made it.
pub(crate) fn secret_of(made: &Value) -> String {
    made["clientSecret"].as_str().unwrap().to_owned()
}

pub(crate) fn id_of(client: &Value) -> &str {
    client["clientId"].as_str().unwrap()
}
