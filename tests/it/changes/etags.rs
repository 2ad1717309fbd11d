//! The etag of a client: where it is, and when it changes.

use std::collections::HashSet;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    Answer, Db, TestServer, Transport,
    authn::id_of,
    http::COLLECTION,
    samples::{spa, web},
};

on_each_database![
    every_response_about_a_client_names_its_state,
    every_change_and_nothing_else_changes_the_etag,
    an_etag_survives_a_restart,
    an_etag_follows_the_time_of_the_last_change,
    a_get_of_a_known_state_is_not_repeated,
    a_list_has_no_etag,
];

/// The requests of a life of a client, with what creates it first and what deletes it last. `HINT` stands for the hint of its
/// second secret.
fn life() -> Vec<(&'static str, Value)> {
    let patch = |operation: Value| json!({ "operations": [operation] });
    let client_secret = |op: &str, path: &str| json!({"op": op, "path": path, "value": "client_secret"});
    vec![
        ("CreateOAuthClient", web()),
        (
            "PatchOAuthClient",
            patch(json!({"op": "add", "path": "/clientName", "value": "renamed"})),
        ),
        ("CreateClientSecret", json!({})),
        ("DeleteClientSecret", json!({"hint": "HINT"})),
        ("DisableOAuthClient", json!({"reason": "misused"})),
        ("EnableOAuthClient", json!({})),
        (
            "PatchOAuthClient",
            json!({"operations": [
                {"op": "replace", "path": "/allowedAuthMethods", "value": ["private_key_jwt"]},
                {"op": "add", "path": "/publicKeys/-", "value": crate::support::samples::rsa_key("a")},
            ]}),
        ),
        (
            "PatchOAuthClient",
            patch(client_secret("add", "/allowedAuthMethods/-")),
        ),
        ("DeleteOAuthClient", json!({"confirmDelete": "ID"})),
    ]
}

/// Returns a request of a life with the id and hint filled in.
pub(super) fn about(mut request: Value, id: &str, stored: &Value) -> Value {
    request["clientId"] = id.into();
    if request["confirmDelete"] == "ID" {
        request["confirmDelete"] = id.into();
    }
    if request["hint"] == "HINT" {
        request["hint"] = stored["clientSecrets"][1]["hint"].clone();
    }
    request
}

async fn every_response_about_a_client_names_its_state(server: TestServer) {
    let admin = server.admin();
    for &transport in &Transport::BOTH {
        let mut id = String::new();
        let mut stored = json!({});
        for (rpc, request) in life() {
            let transport = if Transport::of(rpc).contains(&transport) {
                transport
            } else {
                Transport::Grpc
            };
            let request = if id.is_empty() {
                request
            } else {
                about(request, &id, &stored)
            };
            let (response, etag) = admin.call_for_etag(transport, rpc, request).await.unwrap();
            let etag = etag.unwrap_or_else(|| panic!("{rpc} through {transport:?} names no state"));
            let bare = etag.trim_matches('"');
            assert_eq!(etag, format!("\"{bare}\""), "{rpc}");
            if response.get("etag").is_some() {
                assert_eq!(response["etag"], bare, "{rpc}");
            }
            if rpc == "CreateOAuthClient" {
                id_of(&response).clone_into(&mut id);
            }
            if rpc == "DeleteOAuthClient" {
                assert_ne!(stored["etag"], bare, "{rpc}");
                continue;
            }
            for transport in Transport::BOTH {
                let get = json!({"clientId": id});
                let (got, named) = admin
                    .call_for_etag(transport, "GetOAuthClient", get)
                    .await
                    .unwrap();
                assert_eq!(named.as_ref(), Some(&etag), "{rpc}");
                assert_eq!(got["etag"], bare, "{rpc}");
                let filter = json!({"filter": format!("clientId eq \"{id}\"")});
                let page = admin.list(transport, filter).await.unwrap();
                assert_eq!(page["data"][0]["etag"], bare, "{rpc}");
                stored = got;
            }
        }
    }
    let id = admin.created(web()).await;
    let stored = admin.stored(&id).await;
    let found = server.platform().lookup(&id).await.unwrap();
    assert_eq!(found["client"], stored);
}

async fn every_change_and_nothing_else_changes_the_etag(server: TestServer) {
    let admin = server.admin();
    let mut seen = HashSet::new();
    let mut id = String::new();
    let mut stored = json!({});
    for (rpc, request) in life() {
        let request = if id.is_empty() {
            request
        } else {
            about(request, &id, &stored)
        };
        let (response, etag) = admin.call_for_etag(Transport::Grpc, rpc, request).await.unwrap();
        assert!(
            seen.insert(etag.clone()),
            "{rpc} makes a state that was there before"
        );
        if id.is_empty() {
            id_of(&response).clone_into(&mut id);
        }
        if rpc == "DeleteOAuthClient" {
            break;
        }
        stored = admin.stored(&id).await;
        // Reads, failed changes, and changes that change nothing.
        for _ in 0..2 {
            let rename = json!([{"op": "add", "path": "/clientName", "value": stored["clientName"]}]);
            admin.patch(Transport::Grpc, &id, rename).await.unwrap();
            admin
                .delete_secret(Transport::Grpc, &id, "aaaaaaaa")
                .await
                .unwrap_err();
            admin.list(Transport::Grpc, json!({})).await.unwrap();
            match stored["disableTag"].as_str() {
                Some(reason) => admin.disable(&id, reason).await.unwrap(),
                None => admin.enable(&id).await.unwrap(),
            };
            assert_eq!(admin.stored(&id).await, stored, "after {rpc}");
        }
    }
    let other = admin.create(Transport::Rest, web()).await;
    assert!(seen.insert(other["etag"].as_str().map(|etag| format!("\"{etag}\""))));
}

async fn an_etag_survives_a_restart(server: TestServer) {
    let id = server.admin().created(spa()).await;
    let stored = server.admin().stored(&id).await;
    let server = TestServer::start(server.stop().await).await;
    assert_eq!(server.admin().stored(&id).await, stored);
    if let Some(replica) = server.replica().await {
        assert_eq!(replica.admin().stored(&id).await, stored);
    }
}

/// As after a backup was restored: the same revision once more, of another change.
async fn an_etag_follows_the_time_of_the_last_change(db: Db) {
    let server = TestServer::start(db).await;
    let id = server.admin().created(spa()).await;
    let stored = server.admin().stored(&id).await;
    let db = server.stop().await;
    db.execute("UPDATE oauth_clients SET updated_at = updated_at + 1")
        .await;
    let server = TestServer::start(db).await;
    assert_ne!(server.admin().stored(&id).await["etag"], stored["etag"]);
}

async fn a_get_of_a_known_state_is_not_repeated(server: TestServer) {
    let admin = server.admin();
    let id = admin.created(spa()).await;
    let stored = admin.stored(&id).await;
    let etag = stored["etag"].as_str().unwrap();
    let get = async |known: &[&str]| {
        let path = format!("{}/{id}", COLLECTION.replace("core", "v1"));
        let get = admin.request(Method::GET, &path);
        Answer::to(
            known
                .iter()
                .fold(get, |get, known| get.header("if-none-match", *known)),
        )
        .await
    };
    let quoted = format!("\"{etag}\"");
    for known in [
        vec![quoted.as_str()],
        vec![etag],
        vec!["*"],
        vec![&format!("W/{quoted}")],
        vec![&format!("\"x\", {quoted}")],
        vec!["\"x\"", &quoted, "\"y\""],
    ] {
        let answer = get(&known).await;
        assert_eq!((answer.status, answer.text.as_str()), (304, ""), "{known:?}");
        assert_eq!(answer.header("etag"), quoted);
        assert_eq!(answer.header("cache-control"), "no-store");
        assert!(answer.headers.contains_key("x-request-id"));
        assert!(!answer.headers.contains_key("content-type"));
    }
    for known in [
        vec![],
        vec!["\"x\""],
        vec!["\"\""],
        vec!["W/\"x\""],
        // Malformed.
        vec![&quoted[1..]],
        vec!["*", &quoted],
    ] {
        let answer = get(&known).await;
        assert_eq!(answer.status, 200, "{known:?}");
        assert_eq!(answer.json(), stored);
    }
    let patch = json!([{"op": "add", "path": "/clientName", "value": "renamed"}]);
    admin.patch(Transport::Grpc, &id, patch).await.unwrap();
    assert_eq!(get(&[&quoted]).await.json()["clientName"], "renamed");

    let nobody = format!("{COLLECTION}/{}", "0".repeat(32));
    let nobody = admin.request(Method::GET, &nobody).header("if-none-match", "*");
    assert_eq!(Answer::to(nobody).await.refused().codes(), ["CLIENT_NOT_FOUND"]);
}

async fn a_list_has_no_etag(server: TestServer) {
    let admin = server.admin();
    admin.created(spa()).await;
    let list = admin
        .request(Method::GET, COLLECTION)
        .header("if-none-match", "*");
    let answer = Answer::to(list).await;
    assert_eq!(answer.status, 200);
    assert!(!answer.headers.contains_key("etag"));
}
