//! `PatchOAuthClient`: the rules for a patch, on both transports.

use serde_json::{Value, json};

use crate::support::{
    TestServer, Transport,
    samples::{DOCUMENT_POST, rsa_key, spa, with},
};

on_each_database![
    an_operation_that_cannot_be_applied_is_refused_with_its_path,
    the_end_state_must_be_a_valid_client,
    a_patch_is_applied_as_a_whole_or_not_at_all,
    all_violations_are_reported_at_once,
    a_patch_has_at_most_a_hundred_operations,
    a_patch_is_an_array_of_operations,
    a_patch_of_an_unknown_client_is_not_found,
];

async fn document_client(server: &TestServer) -> (String, Value) {
    let client = serde_json::from_str(DOCUMENT_POST).unwrap();
    let id = server.admin().created(client).await;
    let stored = server.admin().stored(&id).await;
    (id, stored)
}

/// Checks that a patch is refused in the same way on both transports and changes nothing, and returns the errors.
async fn refused(server: &TestServer, id: &str, patch: &Value) -> Vec<(String, String)> {
    let before = server.admin().stored(id).await;
    let rest = server.admin().patch(Transport::Rest, id, patch.clone()).await;
    let rest = rest.expect_err(&patch.to_string());
    let grpc = server.admin().patch(Transport::Grpc, id, patch.clone()).await;
    assert_eq!(grpc, Err(rest.clone()), "{patch}");
    assert_eq!(server.admin().stored(id).await, before, "{patch}");
    rest.errors
}

async fn an_operation_that_cannot_be_applied_is_refused_with_its_path(server: TestServer) {
    let (id, _) = document_client(&server).await;
    let add = |path: &str, value: Value| json!({"op": "add", "path": path, "value": value});
    let operation = |op: &str, path: &str| json!({"op": op, "path": path});
    let cases = [
        (operation("test", "/clientName"), "op"),
        (operation("move", "/clientName"), "op"),
        (operation("copy", "/clientName"), "op"),
        (operation("", "/clientName"), "op"),
        (operation("ADD", "/clientName"), "op"),
        (operation("add", "/clientName"), "value"),
        (operation("replace", "/redirectUris/0"), "value"),
        (add("/clientName", Value::Null), "value"),
        (add("/clientName", json!(1)), "value"),
        (add("/redirectUris", json!("https://a.example/")), "value"),
        (add("/redirectUris", json!(["https://a.example/", 1])), "value[1]"),
        (add("/redirectUris/-", json!(["https://a.example/"])), "value"),
        (add("/connectionConfig/consentMethod", json!(true)), "value"),
        (add("/publishedAt", json!("yesterday")), "value"),
        (add("/publishedAt", json!("2999-01-01T00:00:00Z")), "value"),
        (add("", json!({})), "path"),
        (add("clientName", json!("x")), "path"),
        (add("/", json!("x")), "path"),
        (add("/clientname", json!("x")), "path"),
        (add("/client_name", json!("x")), "path"),
        (add("/clientName/", json!("x")), "path"),
        (add("/clientName/0", json!("x")), "path"),
        (add("/clientName~", json!("x")), "path"),
        (add("/appType", json!("spa")), "path"),
        (add("/clientId", json!("x")), "path"),
        (add("/clientSecrets", json!([])), "path"),
        (add("/disableTag", json!("x")), "path"),
        (
            add("/connectionConfig", json!({"consentMethod": "trusted"})),
            "path",
        ),
        (add("/connectionConfig/status", json!("x")), "path"),
        (add("/publicKeys/0/kid", json!("x")), "path"),
        (add("/redirectUris/2", json!("https://a.example/")), "path"),
        (add("/redirectUris/01", json!("https://a.example/")), "path"),
        (add("/redirectUris/+0", json!("https://a.example/")), "path"),
        (add("/redirectUris/x", json!("https://a.example/")), "path"),
        (
            json!({"op": "replace", "path": "/redirectUris/1", "value": "https://a.example/"}),
            "path",
        ),
        (
            json!({"op": "replace", "path": "/redirectUris/-", "value": "https://a.example/"}),
            "path",
        ),
        (operation("remove", "/redirectUris/1"), "path"),
        (operation("remove", "/redirectUris/-"), "path"),
        (operation("remove", "/publishedAt"), "path"),
    ];
    for (operation, part) in cases {
        let errors = refused(&server, &id, &json!([operation])).await;
        let field = format!("operations[0].{part}: ");
        let path = format!("(path {:?})", operation["path"].as_str().unwrap());
        let [(code, detail)] = errors.as_slice() else {
            panic!("{operation}: {errors:?}");
        };
        assert_eq!(code, "INVALID_PATCH", "{operation}");
        assert!(
            detail.starts_with(&field) && detail.ends_with(&path),
            "{detail} for {operation}"
        );
    }
}

async fn the_end_state_must_be_a_valid_client(server: TestServer) {
    let (web, _) = document_client(&server).await;
    let spa = server.admin().created(spa()).await;
    let add = |path: &str, value: Value| json!([{"op": "add", "path": path, "value": value}]);
    let remove = |path: &str| json!([{"op": "remove", "path": path}]);
    let field = "INVALID_FIELD";
    let private = with(rsa_key("a"), json!({"d": "c2VjcmV0"}));
    let unknown = with(rsa_key("a"), json!({"x5c": []}));
    let cases = [
        (&web, remove("/clientName"), field, "clientName"),
        (&web, remove("/allowedAuthMethods"), field, "allowedAuthMethods"),
        (
            &web,
            add("/allowedAuthMethods", json!([])),
            field,
            "allowedAuthMethods",
        ),
        (
            &web,
            add("/allowedAuthMethods", json!(["private_key_jwt"])),
            field,
            "publicKeys[0].n",
        ),
        (&web, add("/clientName", json!(" ")), field, "clientName"),
        (&web, add("/redirectUris/-", json!("x")), field, "redirectUris[1]"),
        (
            &web,
            add("/redirectUris/-", json!("https://org.us.qlik.com/home")),
            field,
            "redirectUris[1]",
        ),
        (
            &web,
            add("/connectionConfig/consentMethod", json!("never")),
            field,
            "connectionConfig.consentMethod",
        ),
        (
            &web,
            add("/publicKeys", json!([private])),
            "PRIVATE_KEY_MATERIAL",
            "publicKeys[0].d",
        ),
        (
            &web,
            add("/publicKeys/-", json!(private)),
            "PRIVATE_KEY_MATERIAL",
            "publicKeys[1].d",
        ),
        (
            &web,
            add("/publicKeys/0", json!(unknown)),
            "UNKNOWN_FIELD",
            "operations[0].value.x5c",
        ),
        (
            &spa,
            add("/allowedAuthMethods/-", json!("client_secret")),
            field,
            "allowedAuthMethods",
        ),
        (
            &spa,
            add("/allowedGrantTypes/-", json!("client_credentials")),
            field,
            "allowedGrantTypes",
        ),
        (&spa, add("/publicKeys/-", rsa_key("a")), field, "publicKeys"),
    ];
    for (id, patch, code, place) in cases {
        let errors = refused(&server, id, &patch).await;
        let [(found, detail)] = errors.as_slice() else {
            panic!("{patch}: {errors:?}");
        };
        assert_eq!(found, code, "{patch}");
        assert!(detail.starts_with(&format!("{place}: ")), "{detail} for {patch}");
        assert!(
            !detail.contains("c2VjcmV0"),
            "a private member is repeated: {detail}"
        );
    }
}

async fn a_patch_is_applied_as_a_whole_or_not_at_all(server: TestServer) {
    let (id, _) = document_client(&server).await;
    let patch = json!([
        {"op": "add", "path": "/clientName", "value": "renamed"},
        {"op": "add", "path": "/allowedAuthMethods", "value": ["client_secret", "private_key_jwt"]},
        {"op": "remove", "path": "/publicKeys"},
        {"op": "remove", "path": "/allowedScopes/7"},
    ]);
    refused(&server, &id, &patch).await;
}

async fn all_violations_are_reported_at_once(server: TestServer) {
    let (id, _) = document_client(&server).await;
    let patch = json!([
        {"op": "test", "path": "/clientName"},
        {"op": "add", "path": "/appType", "value": "spa"},
        {"op": "add", "path": "/logoUri", "value": "x"},
        {"op": "add", "path": "/clientName", "value": ""},
    ]);
    let errors = refused(&server, &id, &patch).await;
    let codes: Vec<&str> = errors.iter().map(|(code, _)| code.as_str()).collect();
    assert_eq!(
        codes,
        ["INVALID_PATCH", "INVALID_PATCH", "INVALID_FIELD", "INVALID_FIELD"],
        "{errors:?}"
    );
}

async fn a_patch_has_at_most_a_hundred_operations(server: TestServer) {
    let (id, _) = document_client(&server).await;
    let renames = |count: usize| -> Value {
        (0..count)
            .map(|n| json!({"op": "add", "path": "/clientName", "value": format!("{count} {n}")}))
            .collect()
    };
    for transport in Transport::BOTH {
        server.admin().patch(transport, &id, renames(100)).await.unwrap();
        assert_eq!(server.admin().stored(&id).await["clientName"], "100 99");
    }
    let errors = refused(&server, &id, &renames(101)).await;
    assert_eq!(errors[0].0, "INVALID_PATCH");
}

async fn a_patch_is_an_array_of_operations(server: TestServer) {
    let (id, before) = document_client(&server).await;
    for body in [
        "{}",
        "null",
        "\"x\"",
        "[1]",
        "[null]",
        "[[]]",
        r#"{"operations": []}"#,
        r#"{"op": "remove", "path": "/description"}"#,
        r#"[{"op": 1, "path": "/description"}]"#,
        r#"[{"op": "remove", "path": ["description"]}]"#,
    ] {
        let answer = server.admin().http_patch(&id, body).await;
        assert_eq!(
            (answer.status, answer.refused().codes()),
            (400, vec!["INVALID_FIELD"]),
            "{body}"
        );
    }
    assert_eq!(server.admin().stored(&id).await, before);
}

async fn a_patch_of_an_unknown_client_is_not_found(server: TestServer) {
    for transport in Transport::BOTH {
        for id in ["01935e8c7c00700080000000000000ab", "x"] {
            let broken = json!([{"op": "add", "path": "/appType", "value": 1}]);
            let refused = server.admin().patch(transport, id, broken).await.unwrap_err();
            assert_eq!(refused.codes(), ["CLIENT_NOT_FOUND"], "{id}");
        }
    }
}
