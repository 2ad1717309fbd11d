//! `CreateOAuthClient`: accepted requests, and the new client.

use serde_json::{Value, json};

use crate::support::{
    TestServer, Transport,
    http::COLLECTION,
    samples::{DOCUMENT_POST, ec_key, rsa_key, spa, web, with, without},
};

on_each_database![
    the_example_of_the_document_works_as_it_stands,
    a_client_needs_only_a_type_and_a_name,
    a_web_client_with_client_secret_gets_its_first_secret_once,
    a_client_without_client_secret_has_an_empty_secret,
    members_are_accepted_under_both_of_their_names,
    empty_texts_are_stored_and_are_not_absent,
    every_app_type_keeps_its_origins,
    keys_are_returned_as_they_were_sent,
    ids_are_time_ordered_hexadecimal_and_unique,
    both_collection_paths_are_equivalent,
];

async fn the_example_of_the_document_works_as_it_stands(server: TestServer) {
    let admin = server.admin();
    let request = admin.request(reqwest::Method::POST, COLLECTION);
    let request = request
        .header("Content-type", "application/json")
        .body(DOCUMENT_POST);
    let answer = crate::support::Answer::to(request).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let (sent, got): (Value, Value) = (serde_json::from_str(DOCUMENT_POST).unwrap(), answer.json());
    for (member, value) in sent.as_object().unwrap() {
        assert_eq!(&got[member], value, "{member}");
    }
    let stored = admin
        .get(Transport::Rest, got["clientId"].as_str().unwrap())
        .await
        .unwrap();
    assert_eq!(stored, without(&got, &["clientSecret"]));
}

async fn a_client_needs_only_a_type_and_a_name(server: TestServer) {
    for transport in Transport::BOTH {
        for app_type in ["web", "native", "spa", "anonymous-embed"] {
            let sent = json!({"appType": app_type, "clientName": "x"});
            let client = server.admin().create(transport, sent).await;
            let methods = if app_type == "web" {
                json!(["client_secret"])
            } else {
                json!([])
            };
            let server_made = [
                "clientId",
                "createdAt",
                "updatedAt",
                "etag",
                "clientSecrets",
                "clientSecret",
            ];
            let expected = json!({
                "appType": app_type,
                "clientName": "x",
                "redirectUris": [],
                "allowedOrigins": [],
                "allowedScopes": [],
                "allowedGrantTypes": [],
                "allowedAuthMethods": methods,
                "publicKeys": [],
                "connectionConfig": {"consentMethod": "required"},
            });
            assert_eq!(without(&client, &server_made), expected, "{transport:?}");
            assert_eq!(client["createdAt"], client["updatedAt"]);
        }
    }
}

async fn a_web_client_with_client_secret_gets_its_first_secret_once(server: TestServer) {
    for transport in Transport::BOTH {
        let created = server.admin().create(transport, web()).await;
        let secret = created["clientSecret"].as_str().unwrap();
        let hint = created["clientSecrets"][0]["hint"].as_str().unwrap();
        assert!(
            secret.starts_with(&format!("ocs_{hint}_")),
            "{secret} has the hint {hint}"
        );
        assert_eq!(
            created["clientSecrets"],
            json!([{"hint": hint, "createdAt": created["createdAt"], "createdBy": "admin"}])
        );
        let id = created["clientId"].as_str().unwrap();
        let stored = server.admin().get(transport, id).await.unwrap();
        assert_eq!(stored, without(&created, &["clientSecret"]));
    }
}

async fn a_client_without_client_secret_has_an_empty_secret(server: TestServer) {
    let key_only = json!({"allowedAuthMethods": ["private_key_jwt"], "publicKeys": [rsa_key("a")]});
    for transport in Transport::BOTH {
        for client in [spa(), with(web(), key_only.clone())] {
            let created = server.admin().create(transport, client).await;
            assert_eq!(created["clientSecret"], "");
            assert_eq!(created["clientSecrets"], json!([]));
        }
    }
}

async fn members_are_accepted_under_both_of_their_names(server: TestServer) {
    let body = json!({
        "app_type": "web", "client_name": "x", "logo_uri": "https://a.example/l", "redirect_uris": ["https://a.example/"],
        "connection_config": {"consent_method": "trusted"},
    });
    let answer = server.admin().http_post(COLLECTION, body.to_string()).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let client = answer.json();
    assert_eq!(client["logoUri"], "https://a.example/l");
    assert_eq!(client["redirectUris"], json!(["https://a.example/"]));
    assert_eq!(client["connectionConfig"], json!({"consentMethod": "trusted"}));
}

async fn empty_texts_are_stored_and_are_not_absent(server: TestServer) {
    for transport in Transport::BOTH {
        let empty = json!({"description": "", "logoUri": "", "clientUri": ""});
        let created = server.admin().create(transport, with(spa(), empty.clone())).await;
        let stored = server
            .admin()
            .get(transport, created["clientId"].as_str().unwrap())
            .await
            .unwrap();
        for member in ["description", "logoUri", "clientUri"] {
            assert_eq!(stored[member], "", "{member}");
        }
    }
}

async fn every_app_type_keeps_its_origins(server: TestServer) {
    for app_type in ["web", "native", "spa", "anonymous-embed"] {
        let origins =
            json!({"appType": app_type, "allowedOrigins": ["https://a.example", "http://localhost:3000"]});
        let id = server.admin().created(with(spa(), origins.clone())).await;
        assert_eq!(
            server.admin().stored(&id).await["allowedOrigins"],
            origins["allowedOrigins"]
        );
    }
}

async fn keys_are_returned_as_they_were_sent(server: TestServer) {
    let inert = json!({"kid": "old", "kty": "RSA", "alg": "RS512", "use": "sig", "n": "AQAC", "e": "AQ", "crv": "", "x": "", "y": "AA"});
    let keys = json!([rsa_key("rsa"), ec_key("ec"), inert]);
    for (methods, keys) in [
        (json!(["client_secret"]), keys.clone()),
        (
            json!(["private_key_jwt", "client_secret"]),
            json!([keys[0], keys[1]]),
        ),
    ] {
        let client = with(web(), json!({"allowedAuthMethods": methods, "publicKeys": keys}));
        for transport in Transport::BOTH {
            let created = server.admin().create(transport, client.clone()).await;
            let stored = server.admin().stored(created["clientId"].as_str().unwrap()).await;
            assert_eq!(
                (&created["publicKeys"], &stored["publicKeys"]),
                (&keys, &keys),
                "{transport:?}"
            );
            assert_eq!(stored["allowedAuthMethods"], methods);
        }
    }
}

async fn ids_are_time_ordered_hexadecimal_and_unique(server: TestServer) {
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(server.admin().created(spa()).await);
    }
    for id in &ids {
        assert_eq!(id.len(), 32);
        assert!(
            id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')),
            "{id}"
        );
        assert_eq!(&id[12..13], "7", "the version of a UUIDv7: {id}");
    }
    assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
}

async fn both_collection_paths_are_equivalent(server: TestServer) {
    let admin = server.admin();
    let created = admin.http_post("/api/v1/oauth-clients", spa().to_string()).await;
    assert_eq!(created.status, 201);
    let id = created.json()["clientId"].as_str().unwrap().to_owned();
    let first = admin.http_get(&format!("/api/v1/oauth-clients/{id}")).await;
    let second = admin.http_get(&format!("{COLLECTION}/{id}")).await;
    assert_eq!((first.status, first.json()), (200, second.json()));
}
