//! A database that goes away is said within 5 seconds, and the server goes on by itself when it is back.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;

use crate::support::{
    Db, Door, TestServer, eventually,
    proxy::{Network, Proxy},
    samples::spa,
};

const RENAME: &str = "renamed";

/// Calls while the database is away are refused in time, through both doors.
async fn assert_unavailable(server: &TestServer, id: &str, reads: bool) {
    let started = Instant::now();
    let rename = json!([{"op": "add", "path": "/clientName", "value": RENAME}]);
    let admin = server.admin();
    let (rest, grpc) = tokio::join!(
        admin.patch(Door::Rest, id, rename.clone()),
        admin.patch(Door::Grpc, id, rename.clone())
    );
    let mut outcomes = vec![rest, grpc];
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
    if reads {
        let started = Instant::now();
        // More than there are connections, so that each of them meets the outage.
        outcomes.extend(join_all((0..20).map(|_| admin.get(Door::Rest, id))).await);
        outcomes.push(admin.list(Door::Grpc, json!({})).await);
        assert!(
            started.elapsed() < Duration::from_secs(5),
            "{:?}",
            started.elapsed()
        );
    }
    for outcome in outcomes {
        assert_eq!(outcome.unwrap_err().codes(), ["UNAVAILABLE"]);
    }
}

async fn ready_is(server: &TestServer, status: u16) {
    let caller = server.caller(None);
    eventually(&format!("/readyz answers {status}"), async || {
        (caller.http_get("/readyz").await.status == status).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sqlite_file_that_another_process_locks_is_unavailable_for_writing() {
    let server = TestServer::start(Db::sqlite()).await;
    let id = server.admin().created(spa()).await;
    let held = server.db.hold_writers().await;
    assert_unavailable(&server, &id, false).await;
    assert_eq!(
        server.admin().stored(&id).await["clientName"],
        spa()["clientName"],
        "reading goes on"
    );
    held.rollback().await.unwrap();
    let rename = json!([{"op": "add", "path": "/clientName", "value": RENAME}]);
    server.admin().patch(Door::Rest, &id, rename).await.unwrap();
    assert_eq!(server.admin().stored(&id).await["clientName"], RENAME);
}

async fn fails_and_recovers(network: Network) {
    let Some(db) = Db::postgres().await else {
        return;
    };
    let (database, name) = db.text().rsplit_once('/').unwrap();
    let (_, host) = database.rsplit_once('@').unwrap();
    let target = tokio::net::lookup_host(host).await.unwrap().next().unwrap();
    let proxy = Proxy::to(target).await;
    let url = database.replace(host, &proxy.addr.to_string());
    let url = format!("{url}/{name}").parse().unwrap();
    let server = TestServer::start_with(db, |config| config.database_url = url).await;
    let id = server.admin().created(spa()).await;
    ready_is(&server, 200).await;
    let admin = server.admin();
    join_all((0..40).map(|_| admin.get(Door::Grpc, &id))).await;

    proxy.set(network);
    assert_unavailable(&server, &id, true).await;
    ready_is(&server, 503).await;

    proxy.set(Network::Works);
    ready_is(&server, 200).await;
    let rename = json!([{"op": "add", "path": "/clientName", "value": RENAME}]);
    for door in Door::BOTH {
        server.admin().patch(door, &id, rename.clone()).await.unwrap();
    }
    assert_eq!(server.admin().stored(&id).await["clientName"], RENAME);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgresql_server_that_is_gone_is_unavailable_until_it_is_back() {
    fails_and_recovers(Network::Cut).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgresql_server_that_does_not_answer_is_unavailable_until_it_is_back() {
    fails_and_recovers(Network::Swallows).await;
}
