//! Requests with more violations than a response has room for.

use serde_json::{Value, json};

use crate::support::{
    TestServer, Transport,
    samples::{spa, with},
};

on_each_database![
    hundreds_of_violations_are_reported_on_both_transports,
    an_array_over_its_limit_is_one_violation,
    texts_of_the_request_are_shortened_in_errors,
];

fn many(count: usize, element: impl Fn(usize) -> String) -> Value {
    (0..count).map(element).collect()
}

async fn hundreds_of_violations_are_reported_on_both_transports(server: TestServer) {
    let admin = server.admin();
    let broken = json!({
        "redirectUris": many(100, |index| format!("http://example.com/{index}#x")),
        "allowedOrigins": many(100, |index| format!("http://example.com/{index}")),
        "allowedScopes": many(256, |index| format!("a b {index}")),
    });
    for (transport, at_least) in [(Transport::Rest, 100), (Transport::Grpc, 20)] {
        let refused = admin
            .call(transport, "CreateOAuthClient", with(spa(), broken.clone()))
            .await
            .unwrap_err();
        assert!(refused.errors.len() >= at_least, "{}", refused.errors.len());
        assert!(refused.codes().iter().all(|code| *code == "INVALID_FIELD"));
        // The connection stays open.
        admin.created(spa()).await;
    }
}

async fn an_array_over_its_limit_is_one_violation(server: TestServer) {
    let endless = json!({"allowedScopes": many(100_000, |_| "a".to_owned())});
    for transport in Transport::BOTH {
        let request = with(spa(), endless.clone());
        let refused = server
            .admin()
            .call(transport, "CreateOAuthClient", request)
            .await
            .unwrap_err();
        let expected = [(
            "INVALID_FIELD".to_owned(),
            "allowedScopes: must have at most 256 elements".to_owned(),
        )];
        assert_eq!(refused.errors, expected);
    }
}

async fn texts_of_the_request_are_shortened_in_errors(server: TestServer) {
    let admin = server.admin();
    let id = admin.created(spa()).await;
    let patch = json!([{"op": "remove", "path": format!("/{}", "x".repeat(10_000))}]);
    for transport in Transport::BOTH {
        let refused = admin.patch(transport, &id, patch.clone()).await.unwrap_err();
        assert_eq!(refused.codes(), ["INVALID_PATCH"]);
        assert!(refused.errors[0].1.len() < 1_000);
    }
}
