//! `If-Match` and the field `etag`: changes of a client in a state that the caller knows.

use futures_util::future::join_all;
use http::header::HeaderValue;
use oauth_clients::pb::v1::EnableOAuthClientRequest;
use reqwest::Method;
use serde_json::{Value, json};
use tonic::Request;

use super::etags::about;
use crate::support::{
    Answer, Refused, TestServer, Transport,
    http::COLLECTION,
    samples::{spa, web, with},
};

on_each_database![
    a_change_of_another_state_changes_nothing,
    a_change_of_one_of_the_states_is_made,
    a_malformed_list_is_an_invalid_field,
    the_precondition_follows_the_form_and_the_client_and_precedes_all_else,
    of_changes_of_one_state_at_once_one_is_made,
    the_etag_is_neither_a_parameter_nor_a_member,
    several_lines_are_one_list,
    on_grpc_the_metadata_fills_the_field,
];

const RENAME: &str = r#"[{"op": "add", "path": "/clientName", "value": "renamed"}]"#;

/// The requests that change a client, the last of which deletes it.
fn changes() -> [(&'static str, Value); 6] {
    let rename: Value = serde_json::from_str(RENAME).unwrap();
    [
        ("PatchOAuthClient", json!({ "operations": rename })),
        ("CreateClientSecret", json!({})),
        ("DeleteClientSecret", json!({"hint": "HINT"})),
        ("DisableOAuthClient", json!({"reason": "misused"})),
        ("EnableOAuthClient", json!({})),
        ("DeleteOAuthClient", json!({"confirmDelete": "ID"})),
    ]
}

fn with_etag(request: Value, etag: &str) -> Value {
    with(request, json!({ "etag": etag }))
}

async fn a_change_of_another_state_changes_nothing(server: TestServer) {
    let admin = server.admin();
    let id = admin.created(web()).await;
    let first = admin.stored(&id).await;
    admin.create_secret(Transport::Rest, &id).await.unwrap();
    let stored = admin.stored(&id).await;
    let (old, new) = (first["etag"].as_str().unwrap(), stored["etag"].as_str().unwrap());
    for (rpc, request) in changes() {
        let request = about(request, &id, &stored);
        for etag in [
            old,
            "x",
            "\"\"",
            &format!("W/\"{new}\""),
            &format!("\"{old}\", \"x\""),
            &new.to_uppercase(),
            &new[1..],
        ] {
            for &transport in Transport::of(rpc) {
                let refused = admin.call(transport, rpc, with_etag(request.clone(), etag)).await;
                let refused = refused.expect_err(rpc);
                assert_eq!(refused.codes(), ["ETAG_MISMATCH"], "{rpc} {etag} {transport:?}");
            }
        }
        assert_eq!(admin.stored(&id).await, stored, "{rpc}");
    }
    let rename = admin
        .request(Method::PATCH, &format!("{COLLECTION}/{id}"))
        .header("if-match", "\"x\"")
        .body(RENAME);
    let answer = Answer::to(rename).await;
    assert_eq!(answer.status, 412);
    assert!(!answer.headers.contains_key("etag"));
}

async fn a_change_of_one_of_the_states_is_made(server: TestServer) {
    let admin = server.admin();
    for transport in Transport::BOTH {
        for form in 0..5 {
            let id = admin.created(web()).await;
            admin.create_secret(Transport::Rest, &id).await.unwrap();
            for (rpc, request) in changes() {
                let stored = admin.stored(&id).await;
                let etag = stored["etag"].as_str().unwrap();
                let etag = match form {
                    0 => format!("\"{etag}\""),
                    1 => etag.to_owned(),
                    2 => "*".to_owned(),
                    3 => format!(" , \"a,b\" ,W/\"c\"\t, {etag} ,"),
                    _ => format!("\"a\",\"{etag}\""),
                };
                let transport = if Transport::of(rpc).contains(&transport) {
                    transport
                } else {
                    Transport::Grpc
                };
                let request = with_etag(about(request, &id, &stored), &etag);
                let made = admin.call_for_etag(transport, rpc, request).await;
                let (_, named) = made.unwrap_or_else(|refused| panic!("{rpc} {etag} {refused:?}"));
                assert_ne!(named.unwrap().trim_matches('"'), stored["etag"], "{rpc}");
            }
        }
    }
}

async fn a_malformed_list_is_an_invalid_field(server: TestServer) {
    let admin = server.admin();
    let id = admin.created(web()).await;
    admin.create_secret(Transport::Rest, &id).await.unwrap();
    let stored = admin.stored(&id).await;
    for (rpc, request) in changes() {
        let request = about(request, &id, &stored);
        for etag in [
            "", ",", "\"", "\"a", "a b", "*, *", "\"a\", *", "w/\"a\"", "\"a\"b",
        ] {
            for &transport in Transport::of(rpc) {
                let refused = admin.call(transport, rpc, with_etag(request.clone(), etag)).await;
                let refused = refused.expect_err(rpc);
                assert_eq!(
                    refused.fields(),
                    [("INVALID_FIELD", "etag")],
                    "{rpc} {etag} {transport:?}"
                );
            }
        }
    }
    assert_eq!(admin.stored(&id).await, stored);
}

async fn the_precondition_follows_the_form_and_the_client_and_precedes_all_else(server: TestServer) {
    let admin = server.admin();
    let id = admin.created(spa()).await;
    let nobody = "0".repeat(32);
    let invalid = json!([{"op": "replace", "path": "/appType", "value": "web"}]);
    for transport in Transport::BOTH {
        let refused = async |rpc: &str, request: Value, reason: &str| {
            let refused = admin.call(transport, rpc, request).await.unwrap_err();
            assert_eq!(refused.codes(), [reason], "{rpc} {transport:?}");
        };
        for unknown in [nobody.as_str(), "malformed"] {
            let patch = json!({"clientId": unknown, "operations": invalid, "etag": "\"a"});
            refused("PatchOAuthClient", patch.clone(), "INVALID_FIELD").await;
            refused("PatchOAuthClient", with_etag(patch, "\"a\""), "CLIENT_NOT_FOUND").await;
            let secret = json!({"clientId": unknown, "etag": "*"});
            refused("CreateClientSecret", secret, "CLIENT_NOT_FOUND").await;
        }
        let patch = json!({"clientId": id, "operations": invalid, "etag": "a"});
        refused("PatchOAuthClient", patch.clone(), "ETAG_MISMATCH").await;
        refused("PatchOAuthClient", with_etag(patch, "*"), "INVALID_PATCH").await;
        let secret = json!({"clientId": id, "etag": "a"});
        refused("CreateClientSecret", secret.clone(), "ETAG_MISMATCH").await;
        refused(
            "CreateClientSecret",
            with_etag(secret, "*"),
            "SECRETS_NOT_SUPPORTED",
        )
        .await;
        let hint = json!({"clientId": id, "hint": "aaaaaaaa", "etag": "a"});
        refused("DeleteClientSecret", hint.clone(), "ETAG_MISMATCH").await;
        refused("DeleteClientSecret", with_etag(hint, "*"), "SECRET_NOT_FOUND").await;
        let delete = json!({"clientId": id, "confirmDelete": nobody, "etag": "a"});
        refused("DeleteOAuthClient", delete, "DELETE_NOT_CONFIRMED").await;
    }
    let disable = json!({"clientId": id, "reason": "", "etag": "a"});
    let disable = admin.call(Transport::Grpc, "DisableOAuthClient", disable).await;
    assert_eq!(disable.unwrap_err().codes(), ["ETAG_MISMATCH"]);
}

async fn of_changes_of_one_state_at_once_one_is_made(server: TestServer) {
    let replica = server.replica().await;
    let admin = server.admin();
    let other = replica.as_ref().unwrap_or(&server).admin();
    let id = admin.created(spa()).await;
    for round in 0..5 {
        let stored = admin.stored(&id).await;
        let patches = (0..16).map(|index| {
            let name = format!("{round} {index}");
            let rename = json!([{"op": "add", "path": "/clientName", "value": name}]);
            let patch = json!({"clientId": id, "operations": rename, "etag": stored["etag"]});
            let admin = [&admin, &other][index % 2];
            admin.call(Transport::BOTH[index / 2 % 2], "PatchOAuthClient", patch)
        });
        let outcomes: Vec<Result<Value, Refused>> = join_all(patches).await;
        let refused: Vec<&str> = outcomes
            .iter()
            .filter_map(|outcome| outcome.as_ref().err())
            .flat_map(Refused::codes)
            .collect();
        assert_eq!(refused, ["ETAG_MISMATCH"; 15]);
        let made = outcomes.iter().position(Result::is_ok).unwrap();
        assert_eq!(admin.stored(&id).await["clientName"], format!("{round} {made}"));
    }
}

async fn the_etag_is_neither_a_parameter_nor_a_member(server: TestServer) {
    let admin = server.admin();
    let id = admin.created(web()).await;
    let stored = admin.stored(&id).await;
    let path = format!("{COLLECTION}/{id}");
    let secret = format!(
        "{path}/client-secrets/{}",
        stored["clientSecrets"][0]["hint"].as_str().unwrap()
    );
    for (method, path, body) in [
        (Method::PATCH, path.clone(), RENAME),
        (Method::DELETE, path.clone(), ""),
        (Method::POST, format!("{path}/client-secrets"), ""),
        (Method::DELETE, secret, ""),
    ] {
        for parameter in ["etag", "ifMatch", "if-match"] {
            let url = format!("{path}?{parameter}=*");
            let request = admin
                .request(method.clone(), &url)
                .header("qlik-confirm-delete", &id)
                .body(body);
            let refused = Answer::to(request).await.refused();
            assert_eq!(refused.codes(), ["UNKNOWN_FIELD"], "{method} {url}");
        }
    }
    let member = with(web(), json!({"etag": "*"}));
    let refused = admin.http_post(COLLECTION, member.to_string()).await.refused();
    // The members of a request that creates a client are those of the request.
    assert_eq!(refused.codes(), ["UNKNOWN_FIELD"]);
    assert_eq!(admin.stored(&id).await, stored);
}

async fn several_lines_are_one_list(server: TestServer) {
    let admin = server.admin();
    let id = admin.created(spa()).await;
    let url = format!("{COLLECTION}/{id}");
    let patch = async |lines: &[HeaderValue]| {
        let name = json!([{"op": "add", "path": "/clientName", "value": format!("{lines:?}")}]);
        let mut request = admin.request(Method::PATCH, &url).body(name.to_string());
        for line in lines {
            request = request.header("if-match", line);
        }
        Answer::to(request).await.status
    };
    let line = |text: &str| HeaderValue::from_str(text).unwrap();
    for lines in [
        ["\"a\"", "ETAG", "\"b\""],
        ["ETAG", "", "\"a\""],
        ["a, b", "c", "W/\"d\", ETAG"],
    ] {
        let etag = admin.stored(&id).await["etag"].as_str().unwrap().to_owned();
        let lines = lines.map(|text| line(&text.replace("ETAG", &etag)));
        assert_eq!(patch(&lines).await, 204, "{lines:?}");
        assert_eq!(patch(&lines).await, 412, "{lines:?}");
    }
    assert_eq!(patch(&[line("*"), line("\"a\"")]).await, 400);
    assert_eq!(patch(&[line("\"a"), line("b\"")]).await, 400);
    // Well-formed by the grammar, and no etag of a client.
    assert_eq!(patch(&[HeaderValue::from_bytes(b"\"\xff\"").unwrap()]).await, 412);
}

async fn on_grpc_the_metadata_fills_the_field(server: TestServer) {
    let admin = server.admin();
    let id = admin.created(spa()).await;
    let etag = admin.stored(&id).await["etag"].as_str().unwrap().to_owned();
    let enable = async |field: Option<&str>, lines: &[&str]| {
        let mut request = Request::new(EnableOAuthClientRequest {
            client_id: id.clone(),
            etag: field.map(str::to_owned),
            ..EnableOAuthClientRequest::default()
        });
        for line in lines {
            request.metadata_mut().append("if-match", line.parse().unwrap());
        }
        let enabled = admin.grpc().enable_o_auth_client(request).await;
        enabled.map(|_| ()).map_err(Refused::from)
    };
    let quoted = format!("\"{etag}\"");
    assert_eq!(enable(None, &[&quoted]).await, Ok(()));
    assert_eq!(enable(None, &["\"a\"", &quoted]).await, Ok(()));
    assert_eq!(enable(Some(&quoted), &[&quoted]).await, Ok(()));
    assert_eq!(
        enable(None, &["\"a\""]).await.unwrap_err().codes(),
        ["ETAG_MISMATCH"]
    );
    let differing = enable(Some(&etag), &[&quoted]).await.unwrap_err();
    assert_eq!(differing.fields(), [("INVALID_FIELD", "etag")]);
}
