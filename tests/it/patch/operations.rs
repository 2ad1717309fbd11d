//! `PatchOAuthClient`: the effect of patches on the stored client.

use serde_json::{Value, json};

use crate::support::{
    TestServer, Transport,
    http::COLLECTION,
    samples::{DOCUMENT_POST, rsa_key, web, with, without},
};

on_each_database![
    a_patch_changes_what_it_names_and_nothing_else,
    a_patch_that_changes_nothing_leaves_updated_at,
    operations_see_earlier_ones_and_only_the_end_state_counts,
    adding_client_secret_makes_a_secret,
    removing_client_secret_deletes_the_secrets_permanently,
    unknown_members_of_an_operation_are_ignored,
    the_example_of_the_document_works_as_it_stands,
    both_media_types_are_json,
];

async fn document_client(server: &TestServer) -> Value {
    server
        .admin()
        .create(Transport::Rest, serde_json::from_str(DOCUMENT_POST).unwrap())
        .await
}

/// Applies a patch on a transport, and checks that the stored client is `client` with `changes`.
async fn check(server: &TestServer, transport: Transport, client: &mut Value, patch: &Value, changes: Value) {
    let id = client["clientId"].as_str().unwrap().to_owned();
    let outcome = server.admin().patch(transport, &id, patch.clone()).await;
    assert_eq!(outcome, Ok(json!({})), "{patch}");
    let stored = server.admin().stored(&id).await;
    let expected = with(client.clone(), changes);
    assert_eq!(
        without(&stored, &["updatedAt", "etag"]),
        without(&expected, &["updatedAt", "etag"]),
        "{patch}"
    );
    assert_ne!(stored["updatedAt"], client["updatedAt"], "{patch}");
    *client = stored;
}

async fn a_patch_changes_what_it_names_and_nothing_else(server: TestServer) {
    let op = |op: &str, path: &str, value: Value| json!([{"op": op, "path": path, "value": value}]);
    let remove = |path: &str| json!([{"op": "remove", "path": path}]);
    let keys = json!([rsa_key("a"), rsa_key("b")]);
    let steps = [
        (
            op("add", "/clientName", json!("renamed")),
            json!({"clientName": "renamed"}),
        ),
        (
            op("replace", "/description", json!("")),
            json!({"description": ""}),
        ),
        (remove("/description"), json!({"description": null})),
        (
            op("replace", "/description", json!("set though absent")),
            json!({"description": "set though absent"}),
        ),
        (remove("/logoUri"), json!({"logoUri": null})),
        (
            op("add", "/clientUri", json!("http://localhost/")),
            json!({"clientUri": "http://localhost/"}),
        ),
        (
            op("replace", "/redirectUris", json!(["https://b.example/"])),
            json!({"redirectUris": ["https://b.example/"]}),
        ),
        (
            op("add", "/redirectUris/0", json!("https://a.example/")),
            json!({"redirectUris": ["https://a.example/", "https://b.example/"]}),
        ),
        (
            op("add", "/redirectUris/-", json!("https://c.example/")),
            json!({"redirectUris": ["https://a.example/", "https://b.example/", "https://c.example/"]}),
        ),
        (
            op("replace", "/redirectUris/1", json!("https://d.example/")),
            json!({"redirectUris": ["https://a.example/", "https://d.example/", "https://c.example/"]}),
        ),
        (
            remove("/redirectUris/0"),
            json!({"redirectUris": ["https://d.example/", "https://c.example/"]}),
        ),
        (
            op("add", "/redirectUris/2", json!("https://e.example/")),
            json!({"redirectUris": ["https://d.example/", "https://c.example/", "https://e.example/"]}),
        ),
        (remove("/redirectUris"), json!({"redirectUris": []})),
        (remove("/allowedOrigins"), json!({"allowedOrigins": []})),
        (
            op("add", "/allowedScopes", json!(["a", "b"])),
            json!({"allowedScopes": ["a", "b"]}),
        ),
        (remove("/allowedGrantTypes/0"), json!({"allowedGrantTypes": []})),
        (
            op("add", "/publicKeys", keys.clone()),
            json!({"publicKeys": keys.clone()}),
        ),
        (remove("/publicKeys/0"), json!({"publicKeys": [keys[1]]})),
        (
            op("add", "/allowedAuthMethods/-", json!("private_key_jwt")),
            json!({"allowedAuthMethods": ["client_secret", "private_key_jwt"]}),
        ),
        (
            remove("/connectionConfig/consentMethod"),
            json!({"connectionConfig": {"consentMethod": "required"}}),
        ),
        (
            op("add", "/connectionConfig/consentMethod", json!("trusted")),
            json!({"connectionConfig": {"consentMethod": "trusted"}}),
        ),
        (
            op("replace", "/connectionConfig/consentMethod", json!("required")),
            json!({"connectionConfig": {"consentMethod": "required"}}),
        ),
        (
            op("add", "/publishedAt", json!("2026-01-02T04:04:05.5+01:00")),
            json!({"publishedAt": "2026-01-02T03:04:05.500Z"}),
        ),
        (remove("/publishedAt"), json!({"publishedAt": null})),
    ];
    for transport in Transport::BOTH {
        let mut client = without(&document_client(&server).await, &["clientSecret"]);
        for (patch, changes) in &steps {
            check(&server, transport, &mut client, patch, changes.clone()).await;
        }
    }
}

async fn a_patch_that_changes_nothing_leaves_updated_at(server: TestServer) {
    let created = without(&document_client(&server).await, &["clientSecret"]);
    let id = created["clientId"].as_str().unwrap();
    let patches = [
        json!([]),
        json!([{"op": "add", "path": "/clientName", "value": created["clientName"]}]),
        json!([{"op": "replace", "path": "/publicKeys", "value": created["publicKeys"]}]),
        json!([{"op": "add", "path": "/clientName", "value": "x"}, {"op": "add", "path": "/clientName", "value": created["clientName"]}]),
        json!([{"op": "add", "path": "/allowedScopes/-", "value": "x"}, {"op": "remove", "path": "/allowedScopes/1"}]),
        json!([{"op": "replace", "path": "/connectionConfig/consentMethod", "value": "trusted"}]),
    ];
    for transport in Transport::BOTH {
        for patch in &patches {
            assert_eq!(
                server.admin().patch(transport, id, patch.clone()).await,
                Ok(json!({}))
            );
            assert_eq!(server.admin().stored(id).await, created, "{patch}");
        }
    }
}

async fn operations_see_earlier_ones_and_only_the_end_state_counts(server: TestServer) {
    for transport in Transport::BOTH {
        let mut client = without(&document_client(&server).await, &["clientSecret"]);
        let patch = json!([
            {"op": "remove", "path": "/clientName"},
            {"op": "add", "path": "/redirectUris/-", "value": "not a URI"},
            {"op": "remove", "path": "/allowedScopes"},
            {"op": "add", "path": "/allowedScopes/-", "value": "a"},
            {"op": "replace", "path": "/allowedScopes/0", "value": "b"},
            {"op": "remove", "path": "/redirectUris/1"},
            {"op": "replace", "path": "/clientName", "value": "new"},
        ]);
        let changes = json!({"clientName": "new", "allowedScopes": ["b"]});
        check(&server, transport, &mut client, &patch, changes).await;
    }
}

async fn adding_client_secret_makes_a_secret(server: TestServer) {
    let key_only = json!({"allowedAuthMethods": ["private_key_jwt"], "publicKeys": [rsa_key("a")]});
    for transport in Transport::BOTH {
        let admin = server.admin();
        let id = admin.created(with(web(), key_only.clone())).await;
        let patch = json!([{"op": "add", "path": "/allowedAuthMethods/-", "value": "client_secret"}]);
        let answer = admin.patch(transport, &id, patch.clone()).await.unwrap();
        let members: Vec<&String> = answer.as_object().unwrap().keys().collect();
        assert_eq!(members, ["clientSecret"]);
        let stored = admin.stored(&id).await;
        let hint = stored["clientSecrets"][0]["hint"].as_str().unwrap();
        assert!(
            answer["clientSecret"]
                .as_str()
                .unwrap()
                .starts_with(&format!("ocs_{hint}_"))
        );
        assert_eq!(stored["clientSecrets"][0]["createdAt"], stored["updatedAt"]);
    }
}

async fn removing_client_secret_deletes_the_secrets_permanently(server: TestServer) {
    for transport in Transport::BOTH {
        let admin = server.admin();
        let both =
            json!({"allowedAuthMethods": ["client_secret", "private_key_jwt"], "publicKeys": [rsa_key("a")]});
        let created = admin.create(transport, with(web(), both)).await;
        let id = created["clientId"].as_str().unwrap();
        admin.create_secret(transport, id).await.unwrap();
        let swap = json!([
            {"op": "remove", "path": "/allowedAuthMethods/0"},
            {"op": "add", "path": "/allowedAuthMethods/0", "value": "client_secret"},
        ]);
        assert_eq!(
            admin.patch(transport, id, swap).await,
            Ok(json!({})),
            "only the end state counts"
        );
        assert_eq!(
            admin.stored(id).await["clientSecrets"].as_array().unwrap().len(),
            2
        );
        let remove = json!([{"op": "remove", "path": "/allowedAuthMethods/0"}]);
        assert_eq!(admin.patch(transport, id, remove).await, Ok(json!({})));
        assert_eq!(admin.stored(id).await["clientSecrets"], json!([]));
        let add = json!([{"op": "add", "path": "/allowedAuthMethods/0", "value": "client_secret"}]);
        let answer = admin.patch(transport, id, add).await.unwrap();
        assert_ne!(answer["clientSecret"], created["clientSecret"]);
        let secrets = &admin.stored(id).await["clientSecrets"];
        assert_eq!(secrets.as_array().unwrap().len(), 1);
        assert_ne!(secrets[0]["hint"], created["clientSecrets"][0]["hint"]);
    }
}

async fn unknown_members_of_an_operation_are_ignored(server: TestServer) {
    let id = server.admin().created(web()).await;
    let body = r#"[{"op": "add", "path": "/clientName", "value": "x", "from": "/a", "comment": {"a": 1}}]"#;
    assert_eq!(server.admin().http_patch(&id, body).await.status, 204);
    assert_eq!(server.admin().stored(&id).await["clientName"], "x");
}

async fn the_example_of_the_document_works_as_it_stands(server: TestServer) {
    let id = server.admin().created(web()).await;
    let body = r#"[{"op":"add","path":"/clientName","value":"string"}]"#;
    let request = server
        .admin()
        .request(reqwest::Method::PATCH, &format!("{COLLECTION}/{id}"));
    let answer =
        crate::support::Answer::to(request.header("Content-type", "application/json").body(body)).await;
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    assert_eq!(server.admin().stored(&id).await["clientName"], "string");
}

async fn both_media_types_are_json(server: TestServer) {
    let id = server.admin().created(web()).await;
    let types = [
        "application/json",
        "application/json-patch+json",
        "application/json; charset=utf-8",
        "Application/JSON;charset=UTF-8",
    ];
    for (n, media_type) in types.into_iter().enumerate() {
        let request = server
            .admin()
            .request(reqwest::Method::PATCH, &format!("{COLLECTION}/{id}"));
        let body = json!([{"op": "add", "path": "/clientName", "value": n.to_string()}]).to_string();
        let answer = crate::support::Answer::to(request.header("content-type", media_type).body(body)).await;
        assert_eq!(answer.status, 204, "{media_type}");
        assert_eq!(server.admin().stored(&id).await["clientName"], n.to_string());
    }
}
