//! Requests with one idempotency key at the same time.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;

use super::retries::{Outcome, call, new_key, records, with_key};
use crate::support::{Answer, TestServer, Transport, authn::secret_of, eventually, samples::web};

on_each_database![
    of_requests_with_one_key_at_once_one_is_made,
    a_retry_waits_for_the_first_request,
    a_retry_that_waits_has_its_own_deadline,
];

async fn of_requests_with_one_key_at_once_one_is_made(server: TestServer) {
    let replica = server.replica().await;
    let admin = server.admin();
    let other = replica.as_ref().unwrap_or(&server).admin();
    let id = admin.created(web()).await;
    for _ in 0..3 {
        let before = records(&server).await;
        for (rpc, request) in [
            ("CreateOAuthClient", web()),
            ("CreateClientSecret", json!({"clientId": id})),
        ] {
            let key = new_key();
            let calls = (0..16).map(|index| {
                let admin = [&admin, &other][index % 2];
                call(admin, Transport::BOTH[index / 2 % 2], rpc, &request, &key)
            });
            let outcomes = join_all(calls).await;
            let text = |outcome: &Outcome| {
                let (response, etag) = outcome.as_ref().unwrap();
                let id = response["clientId"].clone();
                (id, secret_of(response), etag.clone())
            };
            let first = text(&outcomes[0]);
            assert!(outcomes.iter().all(|outcome| text(outcome) == first));
        }
        assert_eq!(records(&server).await, before + 2);
    }
}

/// Waits until so many connections wait for an advisory lock, or on SQLite until that would be the case.
async fn waiting(server: &TestServer, count: i64) {
    if server.db.is_sqlite() {
        return tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let sql = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted \
               AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    eventually("requests wait", || async {
        (server.db.number(sql).await == count).then_some(())
    })
    .await;
}

async fn a_retry_waits_for_the_first_request(server: TestServer) {
    let replica = server.replica().await;
    let admin = server.admin();
    let other = replica.as_ref().unwrap_or(&server).admin();
    let id = admin.created(web()).await;
    let secret = json!({"clientId": id});
    let key = new_key();
    let held = server.db.hold_writers().await;
    let (first, again, released) = tokio::join!(
        call(&admin, Transport::Rest, "CreateClientSecret", &secret, &key),
        async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            call(&other, Transport::Rest, "CreateClientSecret", &secret, &key).await
        },
        async {
            waiting(&server, 1).await;
            held.rollback().await
        },
    );
    released.unwrap();
    assert!(first.is_ok(), "{first:?}");
    assert_eq!(again, first);
    assert_eq!(
        admin.stored(&id).await["clientSecrets"].as_array().unwrap().len(),
        2
    );
}

async fn a_retry_that_waits_has_its_own_deadline(server: TestServer) {
    let admin = server.admin();
    let id = admin.created(web()).await;
    let secret = json!({"clientId": id});
    let key = new_key();
    let held = server.db.hold_writers().await;
    let first = call(&admin, Transport::Rest, "CreateClientSecret", &secret, &key);
    let hurried = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let request = with_key(secret.clone(), &key);
        let request = admin.http_request("CreateClientSecret", &request);
        let request = request.header("grpc-timeout", "300m");
        let refused = Answer::to(request).await.refused();
        assert_eq!(refused.codes(), ["DEADLINE_EXCEEDED"]);
        held.rollback().await.unwrap();
    };
    let (first, ()) = tokio::join!(first, hurried);
    assert!(first.is_ok(), "{first:?}");
    let again = call(&admin, Transport::Rest, "CreateClientSecret", &secret, &key).await;
    assert_eq!(again, first);
}
