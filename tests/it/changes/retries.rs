//! Requests with an idempotency key: nothing is done twice, and each retry gets the first response.

use oauth_clients::store::{Cutoff, Store};
use serde_json::{Value, json};
use uuid::Uuid;

use super::etags::about;
use crate::support::{
    Caller, Refused, TestServer, Transport,
    authn::{id_of, secret_of},
    samples::{rsa_key, spa, web, with},
};

on_each_database![
    a_retry_of_any_change_gets_the_first_response_and_changes_nothing,
    both_transports_are_one_request,
    what_differs_from_the_first_request_is_refused,
    a_key_belongs_to_its_tenant_and_subject,
    a_retry_precedes_the_precondition_and_the_state_of_the_client,
    a_request_that_changes_nothing_is_kept_too,
    an_error_is_not_kept,
    a_response_is_kept_for_24_hours_and_then_purged,
    a_damaged_response_is_an_internal_error,
];

/// Returns an idempotency key that was never used.
pub(super) fn new_key() -> String {
    Uuid::now_v7().to_string()
}

pub(super) fn with_key(request: Value, key: &str) -> Value {
    with(request, json!({ "requestId": key }))
}

/// A response and its etag, or an error.
pub(super) type Outcome = Result<(Value, Option<String>), Refused>;

pub(super) async fn call(
    admin: &Caller<'_>,
    transport: Transport,
    rpc: &str,
    request: &Value,
    key: &str,
) -> Outcome {
    let request = with_key(request.clone(), key);
    admin.call_for_etag(transport, rpc, request).await
}

/// Requests that change a client with two secrets, of which the last deletes it.
fn changes() -> Vec<(&'static str, Value)> {
    let patch = |operations: Value| json!({ "operations": operations });
    let client_secret = |op: &str, path: &str| json!({"op": op, "path": path, "value": "client_secret"});
    vec![
        (
            "PatchOAuthClient",
            patch(json!([{"op": "add", "path": "/clientName", "value": "renamed"}])),
        ),
        ("CreateClientSecret", json!({})),
        ("DeleteClientSecret", json!({"hint": "HINT"})),
        ("DisableOAuthClient", json!({"reason": "misused"})),
        ("EnableOAuthClient", json!({})),
        (
            "PatchOAuthClient",
            patch(json!([
                {"op": "replace", "path": "/allowedAuthMethods", "value": ["private_key_jwt"]},
                {"op": "add", "path": "/publicKeys/-", "value": rsa_key("a")},
            ])),
        ),
        // The response has a secret.
        (
            "PatchOAuthClient",
            patch(json!([client_secret("add", "/allowedAuthMethods/-")])),
        ),
        ("DeleteOAuthClient", json!({"confirmDelete": "ID"})),
    ]
}

pub(super) async fn records(server: &TestServer) -> i64 {
    let count = "SELECT count(*) FROM oauth_client_changes";
    server.db.number(count).await
}

async fn a_retry_of_any_change_gets_the_first_response_and_changes_nothing(server: TestServer) {
    let admin = server.admin();
    for transport in Transport::BOTH {
        let key = new_key();
        let (created, etag) = call(&admin, transport, "CreateOAuthClient", &web(), &key)
            .await
            .unwrap();
        let again = call(&admin, transport, "CreateOAuthClient", &web(), &key).await;
        assert_eq!(again, Ok((created.clone(), etag)));
        let id = id_of(&created);
        assert!(server.platform().takes_secret(id, &secret_of(&created)).await);
        admin.create_secret(transport, id).await.unwrap();
        for (rpc, request) in changes() {
            let transport = if Transport::of(rpc).contains(&transport) {
                transport
            } else {
                Transport::Grpc
            };
            let stored = admin.stored(id).await;
            let request = about(request, id, &stored);
            let before = records(&server).await;
            let key = new_key();
            let first = call(&admin, transport, rpc, &request, &key).await;
            assert!(first.is_ok(), "{rpc} {first:?}");
            assert_eq!(records(&server).await, before + 1, "{rpc}");
            let changed = admin.get(Transport::Grpc, id).await;
            for spelling in [key.clone(), key.to_uppercase(), format!("\"{key}\"")] {
                let again = call(&admin, transport, rpc, &request, &spelling).await;
                assert_eq!(again, first, "{rpc} {transport:?} {spelling}");
            }
            assert_eq!(records(&server).await, before + 1, "{rpc}");
            assert_eq!(admin.get(Transport::Grpc, id).await, changed, "{rpc}");
        }
    }
}

async fn both_transports_are_one_request(server: TestServer) {
    let admin = server.admin();
    let key = new_key();
    let client = with(
        web(),
        json!({"redirectUris": ["https://a.example"], "publicKeys": [rsa_key("a")]}),
    );
    let first = call(&admin, Transport::Rest, "CreateOAuthClient", &client, &key).await;
    let again = call(&admin, Transport::Grpc, "CreateOAuthClient", &client, &key).await;
    let (first, again) = (first.unwrap(), again.unwrap());
    assert_eq!((id_of(&first.0), &first.1), (id_of(&again.0), &again.1));
    assert_eq!(secret_of(&first.0), secret_of(&again.0));

    let id = id_of(&first.0);
    let key = new_key();
    let value = json!({"b": [1, {"d": 2, "c": 3}], "a": null});
    let path = json!({"clientId": id, "operations": [
        {"op": "remove", "path": "/description", "value": value},
        {"op": "add", "path": "/description", "value": "x"},
    ]});
    // A missing description cannot be removed: it is set first.
    let described = json!([{"op": "add", "path": "/description", "value": "first"}]);
    admin.patch(Transport::Rest, id, described).await.unwrap();
    let first = call(&admin, Transport::Grpc, "PatchOAuthClient", &path, &key).await;
    let again = call(&admin, Transport::Rest, "PatchOAuthClient", &path, &key).await;
    assert_eq!(first.unwrap().1, again.unwrap().1);
}

async fn what_differs_from_the_first_request_is_refused(server: TestServer) {
    let admin = server.admin();
    for transport in Transport::BOTH {
        let ids = [admin.created(web()).await, admin.created(web()).await];
        let [id, other] = ids.each_ref().map(|id| json!({ "clientId": id }));
        let key = new_key();
        let first = call(&admin, transport, "CreateClientSecret", &id, &key).await;
        let stored = [admin.stored(&ids[0]).await, admin.stored(&ids[1]).await];
        let hint = json!({"hint": stored[0]["clientSecrets"][0]["hint"]});
        for (rpc, request) in [
            ("CreateClientSecret", other.clone()),
            ("CreateClientSecret", with(id.clone(), json!({"etag": "*"}))),
            ("CreateOAuthClient", web()),
            ("EnableOAuthClient", id.clone()),
            ("DeleteClientSecret", with(id.clone(), hint)),
            (
                "DeleteOAuthClient",
                json!({"clientId": ids[0], "confirmDelete": ids[0]}),
            ),
            // Before the client is looked for, and the precondition.
            ("CreateClientSecret", json!({"clientId": "0".repeat(32)})),
            ("CreateClientSecret", with(other.clone(), json!({"etag": "x"}))),
        ] {
            let transport = Transport::of(rpc)
                .iter()
                .find(|of| **of == transport)
                .unwrap_or(&Transport::Grpc);
            let refused = call(&admin, *transport, rpc, &request, &key).await;
            assert_eq!(
                refused.unwrap_err().codes(),
                ["REQUEST_ID_REUSED"],
                "{rpc} {request}"
            );
        }
        // The form comes first.
        let malformed = with(id.clone(), json!({"etag": "\"a"}));
        let refused = call(&admin, transport, "CreateClientSecret", &malformed, &key).await;
        assert_eq!(refused.unwrap_err().codes(), ["INVALID_FIELD"]);

        assert_eq!(admin.stored(&ids[0]).await, stored[0]);
        assert_eq!(admin.stored(&ids[1]).await, stored[1]);
        assert_eq!(
            call(&admin, transport, "CreateClientSecret", &id, &key).await,
            first
        );
    }
}

async fn a_key_belongs_to_its_tenant_and_subject(server: TestServer) {
    let scope = oauth_clients::auth::dev_key::all_scopes();
    let key = new_key();
    let mut made = Vec::new();
    for (tenant, subject) in [("acme", "admin"), ("other", "admin"), ("acme", "somebody")] {
        let caller = server.caller(Some(server.token(tenant, subject, scope)));
        let created = call(&caller, Transport::Rest, "CreateOAuthClient", &web(), &key).await;
        made.push(id_of(&created.unwrap().0).to_owned());
        // Not even another message tells that others use the key.
        let reused = call(&caller, Transport::Rest, "CreateOAuthClient", &spa(), &key).await;
        assert_eq!(reused.unwrap_err().codes(), ["REQUEST_ID_REUSED"]);
    }
    made.sort_unstable();
    made.dedup();
    assert_eq!(made.len(), 3);
}

async fn a_retry_precedes_the_precondition_and_the_state_of_the_client(server: TestServer) {
    let admin = server.admin();
    for transport in Transport::BOTH {
        let id = admin.created(web()).await;
        let etag = admin.stored(&id).await["etag"].clone();
        let secret = json!({"clientId": id, "etag": etag});
        let keys = [new_key(), new_key()];
        let first = call(&admin, transport, "CreateClientSecret", &secret, &keys[0]).await;
        assert!(first.is_ok());
        // The state is another one by now, which the first request has made.
        let again = call(&admin, transport, "CreateClientSecret", &secret, &keys[0]).await;
        assert_eq!(again, first);
        let refused = call(&admin, transport, "CreateClientSecret", &secret, &keys[1]).await;
        assert_eq!(refused.unwrap_err().codes(), ["ETAG_MISMATCH"]);

        let delete = json!({"clientId": id, "confirmDelete": id});
        let deleted = call(&admin, transport, "DeleteOAuthClient", &delete, &keys[1]).await;
        assert!(deleted.is_ok());
        for (rpc, request, key, outcome) in [
            ("DeleteOAuthClient", &delete, &keys[1], &deleted),
            ("CreateClientSecret", &secret, &keys[0], &first),
        ] {
            assert_eq!(
                &call(&admin, transport, rpc, request, key).await,
                outcome,
                "{rpc}"
            );
        }
        let refused = call(&admin, transport, "DeleteOAuthClient", &delete, &new_key()).await;
        assert_eq!(refused.unwrap_err().codes(), ["CLIENT_NOT_FOUND"]);
    }
}

async fn a_request_that_changes_nothing_is_kept_too(server: TestServer) {
    let admin = server.admin();
    let id = admin.created(spa()).await;
    let enable = json!({"clientId": id});
    let key = new_key();
    let first = call(&admin, Transport::Grpc, "EnableOAuthClient", &enable, &key).await;
    admin.disable(&id, "misused").await.unwrap();
    let disabled = admin.stored(&id).await;
    let again = call(&admin, Transport::Grpc, "EnableOAuthClient", &enable, &key).await;
    assert_eq!(again, first);
    assert_eq!(admin.stored(&id).await, disabled);
}

async fn an_error_is_not_kept(server: TestServer) {
    let admin = server.admin();
    for transport in Transport::BOTH {
        let id = admin.created(web()).await;
        for _ in 0..4 {
            admin.create_secret(transport, &id).await.unwrap();
        }
        let secret = json!({"clientId": id});
        let key = new_key();
        for _ in 0..2 {
            let refused = call(&admin, transport, "CreateClientSecret", &secret, &key).await;
            assert_eq!(refused.unwrap_err().codes(), ["SECRET_LIMIT_REACHED"]);
        }
        let hint = admin.stored(&id).await["clientSecrets"][0]["hint"].clone();
        admin
            .delete_secret(transport, &id, hint.as_str().unwrap())
            .await
            .unwrap();
        let made = call(&admin, transport, "CreateClientSecret", &secret, &key).await;
        assert!(made.is_ok());
        let again = call(&admin, transport, "CreateClientSecret", &secret, &key).await;
        assert_eq!(again, made);

        let key = new_key();
        let nameless = with(spa(), json!({"clientName": ""}));
        let refused = call(&admin, transport, "CreateOAuthClient", &nameless, &key).await;
        assert_eq!(refused.unwrap_err().codes(), ["INVALID_FIELD"]);
        let made = call(&admin, transport, "CreateOAuthClient", &spa(), &key).await;
        assert!(made.is_ok());
    }
}

async fn a_response_is_kept_for_24_hours_and_then_purged(server: TestServer) {
    let admin = server.admin();
    let id = admin.created(web()).await;
    let secret = json!({"clientId": id});
    let key = new_key();
    let call = async || call(&admin, Transport::Grpc, "CreateClientSecret", &secret, &key).await;
    let first = call().await;
    let store = Store::connect(&server.db.url(), None).await.unwrap();

    let age = async |minutes: i64| {
        let micros = minutes * 60 * 1_000_000;
        let sql = format!("UPDATE kept_responses SET created_at = created_at - {micros}");
        server.db.execute(&sql).await;
    };
    age(24 * 60 + 1).await;
    assert_eq!(store.purge(Cutoff::KEPT_RESPONSES).await.unwrap(), 0);
    assert_eq!(call().await, first);
    age(5).await;
    assert_eq!(store.purge(Cutoff::KEPT_RESPONSES).await.unwrap(), 1);
    assert_eq!(store.purge(Cutoff::KEPT_RESPONSES).await.unwrap(), 0);
    let later = call().await;
    assert!(later.is_ok());
    assert_ne!(later, first);
    assert_eq!(call().await, later);
    store.close().await;
}

async fn a_damaged_response_is_an_internal_error(server: TestServer) {
    let admin = server.admin();
    let key = new_key();
    let first = call(&admin, Transport::Rest, "CreateOAuthClient", &web(), &key).await;
    assert!(first.is_ok());
    let damaged = if server.db.is_sqlite() {
        "UPDATE kept_responses SET response = zeroblob(length(response))"
    } else {
        "UPDATE kept_responses SET response = decode(repeat('00', length(response)), 'hex')"
    };
    server.db.execute(damaged).await;
    let refused = call(&admin, Transport::Rest, "CreateOAuthClient", &web(), &key).await;
    assert_eq!(refused.unwrap_err().codes(), ["INTERNAL"]);
}
