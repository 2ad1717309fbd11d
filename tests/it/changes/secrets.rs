//! `CreateClientSecret` and `DeleteClientSecret`.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::support::{
    Answer, TestServer, Transport,
    http::COLLECTION,
    samples::{rsa_key, spa, web, with},
};

on_each_database![
    a_new_secret_is_shown_once_and_then_only_its_hint,
    a_secret_has_a_recognisable_form,
    the_sixth_secret_is_refused,
    only_web_clients_with_client_secret_have_secrets,
    every_secret_can_be_deleted_including_the_last,
    an_unknown_hint_is_not_found,
    no_caller_chooses_a_secret,
    the_database_holds_no_secret,
];

async fn a_new_secret_is_shown_once_and_then_only_its_hint(server: TestServer) {
    for transport in Transport::BOTH {
        let created = server.admin().create(transport, web()).await;
        let id = created["clientId"].as_str().unwrap();
        let ops = server.caller(Some(server.token("acme", "ops", "oauth-clients:write")));
        let secret = ops.create_secret(transport, id).await.unwrap();
        assert_eq!(secret["clientId"], id);
        assert_eq!(secret["createdBy"], "ops");
        assert_ne!(secret["clientSecret"], created["clientSecret"]);
        let stored = server.admin().stored(id).await;
        let first = created["clientSecrets"][0].clone();
        let second = json!({"hint": secret["hint"], "createdAt": secret["createdAt"], "createdBy": "ops"});
        assert_eq!(stored["clientSecrets"], json!([first, second]), "oldest first");
        assert_eq!(
            stored["updatedAt"], secret["createdAt"],
            "a new secret is a change"
        );
        assert_eq!(stored["createdAt"], created["createdAt"]);
    }
}

async fn a_secret_has_a_recognisable_form(server: TestServer) {
    let admin = server.admin();
    let id = admin.created(web()).await;
    let mut seen = HashSet::new();
    for _ in 0..4 {
        let secret = admin.create_secret(Transport::Rest, &id).await.unwrap();
        let (hint, text) = (
            secret["hint"].as_str().unwrap(),
            secret["clientSecret"].as_str().unwrap(),
        );
        let is_hint = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        assert!(hint.len() == 8 && hint.chars().all(is_hint), "{hint}");
        let random = text
            .strip_prefix(&format!("ocs_{hint}_"))
            .expect("prefix and hint");
        let is_base64url = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        // 43 characters encode 32 bytes, and 8 the checksum of 6 bytes.
        assert!(random.len() == 51 && random.chars().all(is_base64url), "{random}");
        assert!(!random.contains(hint), "the hint is part of no key material");
        assert!(seen.insert(random.to_owned()));
    }
}

async fn the_sixth_secret_is_refused(server: TestServer) {
    for transport in Transport::BOTH {
        let admin = server.admin();
        let id = admin.created(web()).await;
        for _ in 0..4 {
            admin.create_secret(transport, &id).await.unwrap();
        }
        let full = admin.stored(&id).await;
        let refused = admin.create_secret(transport, &id).await.unwrap_err();
        assert_eq!(refused.codes(), ["SECRET_LIMIT_REACHED"]);
        assert_eq!(admin.stored(&id).await, full, "a refused secret is no change");
        let hint = full["clientSecrets"][2]["hint"].as_str().unwrap();
        admin.delete_secret(transport, &id, hint).await.unwrap();
        admin
            .create_secret(transport, &id)
            .await
            .expect("there is room again");
    }
}

async fn only_web_clients_with_client_secret_have_secrets(server: TestServer) {
    let key_only = json!({"allowedAuthMethods": ["private_key_jwt"], "publicKeys": [rsa_key("a")]});
    let clients = [
        spa(),
        with(spa(), json!({"appType": "native"})),
        with(spa(), json!({"appType": "anonymous-embed"})),
        with(web(), key_only),
    ];
    for client in clients {
        let id = server.admin().created(client.clone()).await;
        for transport in Transport::BOTH {
            let refused = server.admin().create_secret(transport, &id).await.unwrap_err();
            assert_eq!(refused.codes(), ["SECRETS_NOT_SUPPORTED"], "{client}");
        }
    }
}

async fn every_secret_can_be_deleted_including_the_last(server: TestServer) {
    for transport in Transport::BOTH {
        let admin = server.admin();
        let id = admin.created(web()).await;
        admin.create_secret(transport, &id).await.unwrap();
        let mut client = admin.stored(&id).await;
        while let [first, rest @ ..] = client["clientSecrets"].as_array().unwrap().as_slice() {
            let outcome = admin
                .delete_secret(transport, &id, first["hint"].as_str().unwrap())
                .await;
            assert_eq!(outcome, Ok(json!({})));
            let after = admin.stored(&id).await;
            assert_eq!(after["clientSecrets"], Value::from(rest));
            assert!(
                after["updatedAt"].as_str() > client["updatedAt"].as_str(),
                "a deleted secret is a change"
            );
            client = after;
        }
        admin
            .create_secret(transport, &id)
            .await
            .expect("a client without secrets can have new ones");
    }
}

async fn an_unknown_hint_is_not_found(server: TestServer) {
    let admin = server.admin();
    let id = admin.created(web()).await;
    let other = admin.create(Transport::Rest, web()).await;
    let before = admin.stored(&id).await;
    let hint_of_other = other["clientSecrets"][0]["hint"].as_str().unwrap();
    for transport in Transport::BOTH {
        for hint in ["aaaaaaaa", "x", "AAAAAAAA", "aaaaaaaaa", hint_of_other] {
            let refused = admin.delete_secret(transport, &id, hint).await.unwrap_err();
            assert_eq!(refused.codes(), ["SECRET_NOT_FOUND"], "{hint}");
        }
        let refused = admin
            .delete_secret(transport, "nobody", "aaaaaaaa")
            .await
            .unwrap_err();
        assert_eq!(refused.codes(), ["CLIENT_NOT_FOUND"]);
    }
    assert_eq!(admin.stored(&id).await, before);
}

async fn no_caller_chooses_a_secret(server: TestServer) {
    let id = server.admin().created(web()).await;
    let path = format!("{COLLECTION}/{id}/client-secrets");
    let request = server.admin().request(reqwest::Method::POST, &path);
    let answer = Answer::to(request.body(r#"{"clientSecret": "mine", "hint": "minemine"}"#)).await;
    assert_eq!(answer.status, 201, "a body where none is expected is ignored");
    assert!(!answer.text.contains("mine"), "{}", answer.text);
}

async fn the_database_holds_no_secret(server: TestServer) {
    let created = server.admin().create(Transport::Rest, web()).await;
    let secret = created["clientSecret"].as_str().unwrap();
    // After the prefix and the hint.
    let random = &secret["ocs_".len() + 8 + 1..];
    let length = if server.db.is_sqlite() {
        "length(hash)"
    } else {
        "octet_length(hash)"
    };
    let hash_bytes = server
        .db
        .number(&format!(
            "SELECT CAST({length} AS BIGINT) FROM oauth_client_secrets"
        ))
        .await;
    assert_eq!(hash_bytes, 32);
    let whole = if server.db.is_sqlite() {
        "hex(hash)"
    } else {
        "encode(hash, 'escape')"
    };
    let found = format!(
        "SELECT count(*) FROM oauth_client_secrets WHERE {whole} LIKE '%{random}%' OR created_by LIKE '%{random}%'"
    );
    assert_eq!(server.db.number(&found).await, 0);
}
