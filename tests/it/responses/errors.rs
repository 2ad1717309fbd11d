//! Golden files of the REST transport: a response for each reason of `error_reason.proto`.

use std::path::Path;

use oauth_clients::pb;
use reqwest::{Method, RequestBuilder};
use serde_json::json;

use crate::support::{
    Caller, Db, TestServer,
    golden::{assert_golden, exchange},
    http::COLLECTION,
    samples::{spa, web},
};

on_each_database![
    errors_of_requests_match_their_golden_files,
    errors_of_callers_match_their_golden_files,
    errors_of_the_database_match_their_golden_files,
    errors_of_the_limits_match_their_golden_files,
];

/// Reasons without a golden file, and why.
const NONE: [(&str, &str); 2] = [
    // Both databases lock the row, or the file, before they read it, so only a deadlock could cause this.
    ("CONCURRENT_CHANGE", "changes of a client wait for one another"),
    ("WATCH_TOO_SLOW", "it is only ever the last line of a stream"),
];

#[test]
fn every_reason_has_a_golden_file() {
    let reasons = pb::protos()
        .unwrap()
        .pool
        .get_enum_by_name("oauth_clients.v1.ErrorReason")
        .unwrap();
    for value in reasons.values().filter(|value| value.number() != 0) {
        let reason = value.name().trim_start_matches("ERROR_REASON_").to_owned();
        let file = format!("tests/it/snapshots/error_{}.snap", reason.to_lowercase());
        let exists = Path::new(env!("CARGO_MANIFEST_DIR")).join(&file).exists();
        let excused = NONE.iter().any(|(name, _)| *name == reason);
        assert_ne!(exists, excused, "{file}");
    }
}

/// Sends a request, and compares the exchange with the file of the expected reason.
async fn refused(reason: &str, request: RequestBuilder) {
    let text = exchange(request).await;
    assert!(
        text.contains(&format!("\"code\": \"{reason}\"")),
        "{reason}: {text}"
    );
    assert_golden(&format!("error_{}", reason.to_lowercase()), &[text]);
}

fn post(caller: &Caller<'_>, body: impl Into<reqwest::Body>) -> RequestBuilder {
    caller.request(Method::POST, COLLECTION).body(body)
}

fn get(caller: &Caller<'_>, path: &str) -> RequestBuilder {
    caller.request(Method::GET, &format!("{COLLECTION}{path}"))
}

const RENAME: &str = r#"[{"op": "add", "path": "/clientName", "value": "x"}]"#;

async fn errors_of_requests_match_their_golden_files(server: TestServer) {
    let admin = &server.admin();
    let client = admin.create(crate::support::Transport::Rest, web()).await;
    let (id, public) = (client["clientId"].as_str().unwrap(), admin.created(spa()).await);
    let path = format!("{COLLECTION}/{id}");
    let key = r#"{"appType": "web", "clientName": "x", "publicKeys": [{"kid": "a", "kty": "RSA", "alg": "RS256", "use": "sig", "n": "AQAB", "e": "AQAB", "d": "AQ"}]}"#;
    let several = r#"{"appType": "desktop", "redirectUris": ["http://a.example/#x"]}"#;
    refused("INVALID_FIELD", post(admin, several)).await;
    refused(
        "UNKNOWN_FIELD",
        post(admin, r#"{"appType": "web", "clientName": "x", "color": "red"}"#),
    )
    .await;
    refused("MALFORMED_JSON", post(admin, "{")).await;
    refused("PRIVATE_KEY_MATERIAL", post(admin, key)).await;
    refused("INVALID_FILTER", get(admin, "?filter=clientName%20eq%201")).await;
    refused("INVALID_SORT", get(admin, "?sort=color")).await;
    refused("INVALID_CURSOR", get(admin, "?next=x")).await;
    refused("INVALID_LIMIT", get(admin, "?limit=101")).await;
    let retype = r#"[{"op": "replace", "path": "/appType", "value": "spa"}]"#;
    refused("INVALID_PATCH", admin.request(Method::PATCH, &path).body(retype)).await;
    refused("DELETE_NOT_CONFIRMED", admin.request(Method::DELETE, &path)).await;
    refused(
        "CLIENT_NOT_FOUND",
        get(admin, "/01935e8c7c00700080000000000000ab"),
    )
    .await;
    refused(
        "ETAG_MISMATCH",
        admin
            .request(Method::PATCH, &path)
            .header("if-match", "\"of-an-older-state\"")
            .body(RENAME),
    )
    .await;
    let with_key = |path: &str| {
        let request = admin.request(Method::PATCH, path).body(RENAME);
        request.header("idempotency-key", "3f2504e0-4f89-41d3-9a0c-0305e82c3301")
    };
    let first = with_key(&format!("{COLLECTION}/{public}")).send().await;
    assert!(first.unwrap().status().is_success());
    refused("REQUEST_ID_REUSED", with_key(&path)).await;
    let secret = |id: &str, hint: &str| format!("{COLLECTION}/{id}/client-secrets{hint}");
    refused(
        "SECRET_NOT_FOUND",
        admin.request(Method::DELETE, &secret(id, "/aaaaaaaa")),
    )
    .await;
    refused(
        "SECRETS_NOT_SUPPORTED",
        admin.request(Method::POST, &secret(&public, "")),
    )
    .await;
    for _ in 0..4 {
        admin
            .create_secret(crate::support::Transport::Grpc, id)
            .await
            .unwrap();
    }
    refused(
        "SECRET_LIMIT_REACHED",
        admin.request(Method::POST, &secret(id, "")),
    )
    .await;
    // A token of another database, which cannot be authenticated.
    let resume = json!({"resumeToken": format!("AQ{}", "A".repeat(98))});
    refused("RESUME_TOKEN_EXPIRED", admin.watch_request(&resume)).await;
    refused("ROUTE_NOT_FOUND", admin.request(Method::GET, "/api/core/nothing")).await;
    refused("METHOD_NOT_ALLOWED", admin.request(Method::PUT, COLLECTION)).await;
    refused(
        "UNSUPPORTED_MEDIA_TYPE",
        post(admin, "<a/>").header("content-type", "text/xml"),
    )
    .await;
    refused(
        "UNSUPPORTED_CONTENT_ENCODING",
        post(admin, spa().to_string()).header("content-encoding", "gzip"),
    )
    .await;
    refused("BODY_TOO_LARGE", post(admin, vec![b' '; (1 << 20) + 1])).await;
}

async fn errors_of_callers_match_their_golden_files(server: TestServer) {
    refused("TOKEN_MISSING", get(&server.caller(None), "")).await;
    let damaged = format!("{}x", server.token("acme", "admin", "oauth-clients:read"));
    refused("TOKEN_INVALID", get(&server.caller(Some(damaged)), "")).await;
    let reader = server.token("acme", "admin", "oauth-clients:read");
    refused(
        "SCOPE_MISSING",
        post(&server.caller(Some(reader)), spa().to_string()),
    )
    .await;
}

async fn errors_of_the_database_match_their_golden_files(server: TestServer) {
    let admin = &server.admin();
    let id = admin.created(spa()).await;
    let patch = || {
        admin
            .request(Method::PATCH, &format!("{COLLECTION}/{id}"))
            .body(RENAME)
    };
    let held = server.db.hold_writers().await;
    refused("DEADLINE_EXCEEDED", patch().header("grpc-timeout", "100m")).await;
    refused("UNAVAILABLE", patch()).await;
    held.rollback().await.unwrap();
    server
        .db
        .execute("UPDATE oauth_clients SET redirect_uris = 'not JSON'")
        .await;
    refused("INTERNAL", get(admin, &format!("/{id}"))).await;
    let listed = admin
        .list(crate::support::Transport::Grpc, json!({}))
        .await
        .unwrap_err();
    assert_eq!(listed.codes(), ["INTERNAL"]);
}

async fn errors_of_the_limits_match_their_golden_files(db: Db) {
    let server = TestServer::start_with(db, |config| config.quotas.tier2_per_minute = 1).await;
    server.admin().created(spa()).await;
    refused("RATE_LIMITED", post(&server.admin(), spa().to_string())).await;
}
