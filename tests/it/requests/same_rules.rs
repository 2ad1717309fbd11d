//! A rule is the same by every way to it: creating and patching, on REST and on gRPC.

use serde_json::{Value, json};

use crate::support::{
    Caller, Refused, TestServer, Transport,
    samples::{rsa_key, web, with, with_null},
};

on_each_database![
    a_value_breaks_the_same_rules_on_creation_and_in_a_patch,
    a_key_is_read_in_the_same_way_on_creation_and_in_a_patch,
];

/// Returns the errors of creating a client with a member of this value.
async fn created(admin: &Caller<'_>, transport: Transport, member: &str, value: &Value) -> Refused {
    let client = with(web(), json!({member: value}));
    let outcome = admin.call(transport, "CreateOAuthClient", client).await;
    outcome.expect_err(&format!("{member}: {value}"))
}

/// Returns the errors of giving a client a member of this value.
async fn patched(admin: &Caller<'_>, transport: Transport, id: &str, member: &str, value: &Value) -> Refused {
    let patch = json!([{"op": "add", "path": format!("/{member}"), "value": value}]);
    let outcome = admin.patch(transport, id, patch).await;
    outcome.expect_err(&format!("{member}: {value}"))
}

async fn a_value_breaks_the_same_rules_on_creation_and_in_a_patch(server: TestServer) {
    let admin = server.admin();
    let id = admin.created(web()).await;
    let uris: Vec<String> = (0..101)
        .map(|number| format!("https://a.example/{number}"))
        .collect();
    let cases = [
        ("clientName", json!("")),
        ("clientName", json!(" ")),
        ("clientName", json!("a".repeat(257))),
        ("clientName", json!("a\u{0}b")),
        ("clientName", json!("a\u{202e}b")),
        ("description", json!("a".repeat(2_049))),
        ("logoUri", json!("http://a.example/")),
        ("clientUri", json!("/a")),
        ("redirectUris", json!(["https://a.example/#a", ""])),
        ("redirectUris", json!(["https://a.example", "https://a.example"])),
        ("redirectUris", json!(uris)),
        ("allowedOrigins", json!(["https://a.example/", "*", "null"])),
        ("allowedScopes", json!(["a b", "", "\""])),
        ("allowedGrantTypes", json!(["implicit"])),
        ("allowedAuthMethods", json!(["none"])),
        ("allowedAuthMethods", json!(["private_key_jwt"])),
        ("publicKeys", json!([with(rsa_key("a"), json!({"kid": ""}))])),
        ("publicKeys", json!([with(rsa_key("a"), json!({"kty": "oct"}))])),
        ("publicKeys", json!([with(rsa_key("a"), json!({"use": "enc"}))])),
        ("publicKeys", json!([with(rsa_key("a"), json!({"n": "+"}))])),
        ("publicKeys", json!([rsa_key("a"), rsa_key("a")])),
        ("publicKeys", json!([{}])),
    ];
    for (member, value) in cases {
        let expected = created(&admin, Transport::Rest, member, &value).await;
        assert_eq!(
            created(&admin, Transport::Grpc, member, &value).await,
            expected,
            "{member}: {value}"
        );
        for transport in Transport::BOTH {
            let errors = patched(&admin, transport, &id, member, &value).await;
            assert_eq!(errors, expected, "{member}: {value}");
        }
    }
}

async fn a_key_is_read_in_the_same_way_on_creation_and_in_a_patch(server: TestServer) {
    let admin = server.admin();
    let id = admin.created(web()).await;
    let keys = [
        json!("a"),
        json!([]),
        json!(1),
        with(rsa_key("a"), json!({"x5c": ["a"]})),
        with_null(rsa_key("a"), "x5c"),
        with_null(rsa_key("a"), "KID"),
        with_null(rsa_key("a"), "key_use"),
        with_null(rsa_key("a"), ""),
        with(rsa_key("a"), json!({"kid": 1})),
        with_null(rsa_key("a"), "kid"),
        with(rsa_key("a"), json!({"n": ["a"]})),
        with(rsa_key("a"), json!({"use": true})),
        with(rsa_key("a"), json!({"d": "AQ"})),
        with(rsa_key("a"), json!({"k": ""})),
    ];
    for key in keys {
        let value = json!([key]);
        let expected = created(&admin, Transport::Rest, "publicKeys", &value).await;
        for transport in Transport::BOTH {
            let errors = patched(&admin, transport, &id, "publicKeys", &value).await;
            assert_eq!(errors.codes(), expected.codes(), "{key}");
        }
    }
    // A private member without a value is as good as absent, by every way.
    let absent = json!([with_null(with_null(rsa_key("a"), "d"), "x")]);
    let client = with(web(), json!({"publicKeys": absent}));
    admin.create(Transport::Rest, client).await;
    for transport in Transport::BOTH {
        let patch = json!([{"op": "add", "path": "/publicKeys", "value": absent}]);
        admin.patch(transport, &id, patch).await.unwrap();
    }
}
