//! Concurrent changes.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{
    Refused, TestServer, Transport,
    samples::{spa, web},
};

on_each_database![
    a_hundred_concurrent_creates_make_as_many_secrets_as_fit,
    no_concurrent_patch_is_lost,
    only_one_of_several_concurrent_deletes_succeeds,
    updated_at_strictly_grows,
];

fn codes(outcomes: &[Result<Value, Refused>]) -> Vec<&str> {
    outcomes
        .iter()
        .filter_map(|outcome| outcome.as_ref().err())
        .flat_map(Refused::codes)
        .collect()
}

async fn a_hundred_concurrent_creates_make_as_many_secrets_as_fit(server: TestServer) {
    let admin = server.admin();
    for transport in Transport::BOTH {
        let id = admin.created(web()).await;
        let outcomes = join_all((0..100).map(|_| admin.create_secret(transport, &id))).await;
        assert_eq!(codes(&outcomes), ["SECRET_LIMIT_REACHED"; 96]);
        let mut made: Vec<&str> = outcomes
            .iter()
            .flatten()
            .map(|secret| secret["hint"].as_str().unwrap())
            .collect();
        let stored = admin.stored(&id).await;
        let secrets = stored["clientSecrets"].as_array().unwrap();
        let mut hints: Vec<&str> = secrets[1..]
            .iter()
            .map(|secret| secret["hint"].as_str().unwrap())
            .collect();
        made.sort_unstable();
        hints.sort_unstable();
        assert_eq!(hints, made);
    }
}

async fn no_concurrent_patch_is_lost(server: TestServer) {
    let admin = server.admin();
    for transport in Transport::BOTH {
        let id = admin.created(spa()).await;
        let uri = |n: usize| format!("https://a.example/{n}");
        let outcomes = join_all((0..50).map(|n| {
            let add = json!([{"op": "add", "path": "/redirectUris/-", "value": uri(n)}]);
            admin.patch(transport, &id, add)
        }))
        .await;
        let lost = codes(&outcomes);
        assert!(lost.iter().all(|code| *code == "CONCURRENT_CHANGE"), "{lost:?}");
        let kept = (0..50).filter(|n| outcomes[*n].is_ok()).map(uri);
        let mut expected: Vec<String> = kept.collect();
        let stored = admin.stored(&id).await;
        let mut uris: Vec<String> = serde_json::from_value(stored["redirectUris"].clone()).unwrap();
        expected.sort_unstable();
        uris.sort_unstable();
        assert_eq!(uris, expected);
        assert!(!uris.is_empty());
    }
}

async fn only_one_of_several_concurrent_deletes_succeeds(server: TestServer) {
    let admin = server.admin();
    let id = admin.created(web()).await;
    let outcomes = join_all((0..10).map(|_| admin.delete(Transport::Grpc, &id, &id))).await;
    assert_eq!(codes(&outcomes), ["CLIENT_NOT_FOUND"; 9]);
}

async fn updated_at_strictly_grows(server: TestServer) {
    let admin = server.admin();
    let id = admin.created(web()).await;
    let mut last = String::new();
    for n in 0..20 {
        let name = json!([{"op": "add", "path": "/clientName", "value": format!("name {n}")}]);
        admin.patch(Transport::Grpc, &id, name).await.unwrap();
        let updated_at = micros(&admin.stored(&id).await["updatedAt"]);
        assert!(updated_at > last, "{updated_at} after {last}");
        last = updated_at;
    }
    // The clock of another server may have been ahead.
    let ahead = "UPDATE oauth_clients SET updated_at = 4102444800000000";
    server.db.execute(ahead).await;
    admin.create_secret(Transport::Grpc, &id).await.unwrap();
    assert_eq!(
        admin.stored(&id).await["updatedAt"],
        "2100-01-01T00:00:00.000001Z"
    );
}

/// Returns a timestamp with all six digits of its fraction, so that it compares as text.
pub(super) fn micros(timestamp: &Value) -> String {
    let text = timestamp.as_str().unwrap().trim_end_matches('Z');
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    format!("{seconds}.{fraction:0<6}")
}
