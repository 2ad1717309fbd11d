//! Golden files of the REST transport: a request and its response for each method.

use reqwest::Method;
use serde_json::Value;

use crate::support::{
    TestServer,
    golden::{assert_golden, exchange},
    http::COLLECTION,
    samples::{DOCUMENT_POST, rsa_key, spa, web, with},
};

on_each_database![create, get, list, patch, delete, client_secrets];

async fn create(server: TestServer) {
    let admin = server.admin();
    let post = |body: String| admin.request(Method::POST, COLLECTION).body(body);
    let pretty: Value = serde_json::from_str(DOCUMENT_POST).unwrap();
    assert_golden(
        "operation_create",
        &[
            exchange(post(pretty.to_string())).await,
            exchange(post(spa().to_string())).await,
        ],
    );
}

async fn get(server: TestServer) {
    let admin = server.admin();
    let id = admin.created(serde_json::from_str(DOCUMENT_POST).unwrap()).await;
    let request = || admin.request(Method::GET, &format!("{COLLECTION}/{id}"));
    let etag = admin.stored(&id).await["etag"].clone();
    let known = format!("\"of-an-older-state\", \"{}\"", etag.as_str().unwrap());
    assert_golden(
        "operation_get",
        &[
            exchange(request()).await,
            exchange(request().header("if-none-match", known)).await,
        ],
    );
}

async fn list(server: TestServer) {
    let admin = server.admin();
    for _ in 0..3 {
        admin.created(spa()).await;
    }
    let first = admin.http_get(&format!("{COLLECTION}?limit=1")).await.json();
    let next = first["links"]["next"]["cursor"].as_str().unwrap();
    let request = admin.request(Method::GET, &format!("{COLLECTION}?limit=1&next={next}"));
    assert_golden("operation_list", &[exchange(request).await]);
}

async fn patch(server: TestServer) {
    let admin = server.admin();
    let key_only =
        serde_json::json!({"allowedAuthMethods": ["private_key_jwt"], "publicKeys": [rsa_key("a")]});
    let id = admin.created(with(web(), key_only)).await;
    let patch = |body: &'static str| {
        admin
            .request(Method::PATCH, &format!("{COLLECTION}/{id}"))
            .body(body)
    };
    let rename = r#"[{"op": "add", "path": "/clientName", "value": "string"}]"#;
    let allow = r#"[{"op": "add", "path": "/allowedAuthMethods/-", "value": "client_secret"}]"#;
    assert_golden(
        "operation_patch",
        &[exchange(patch(rename)).await, exchange(patch(allow)).await],
    );
}

async fn delete(server: TestServer) {
    let admin = server.admin();
    let id = admin.created(spa()).await;
    let request = admin.request(Method::DELETE, &format!("{COLLECTION}/{id}"));
    assert_golden(
        "operation_delete",
        &[exchange(request.header("qlik-confirm-delete", &id)).await],
    );
}

async fn client_secrets(server: TestServer) {
    let admin = server.admin();
    let client = admin.create(crate::support::Transport::Rest, web()).await;
    let path = format!(
        "{COLLECTION}/{}/client-secrets",
        client["clientId"].as_str().unwrap()
    );
    let hint = client["clientSecrets"][0]["hint"].as_str().unwrap();
    let create = admin.request(Method::POST, &path);
    let delete = admin.request(Method::DELETE, &format!("{path}/{hint}"));
    assert_golden(
        "operation_client_secrets",
        &[exchange(create).await, exchange(delete).await],
    );
}
