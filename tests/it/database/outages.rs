//! Outages of the database: they are reported within 5 seconds, and the server recovers by itself.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use oauth_clients::store::DEFAULT_QUEUE_TIME;
use serde_json::{Value, json};

use crate::support::{
    Answer, Db, Refused, TestServer, Transport, eventually,
    http::COLLECTION,
    proxy::{Network, server_behind_proxy_with},
    samples::spa,
};

const RENAME: &str = "renamed";
/// The fence of a new database.
const FENCE: Duration = Duration::from_millis(100);

/// More requests than there are connections, so that each connection meets the outage.
const CALLS: usize = 20;

/// Asserts that a request during an outage is refused in time.
async fn assert_unavailable(call: impl Future<Output = Result<Value, Refused>>) {
    let started = Instant::now();
    let refused = call.await.unwrap_err();
    assert_eq!(refused.codes(), ["UNAVAILABLE"]);
    let took = started.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}");
}

async fn rename(server: &TestServer, transport: Transport, id: &str) -> Result<Value, Refused> {
    let rename = json!([{"op": "add", "path": "/clientName", "value": RENAME}]);
    server.admin().patch(transport, id, rename).await
}

async fn ready_is(server: &TestServer, status: u16) {
    let caller = server.caller(None);
    eventually(&format!("/readyz answers {status}"), async || {
        (caller.http_get("/readyz").await.status == status).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sqlite_file_locked_by_another_process_is_unavailable_for_writing() {
    let server = TestServer::start(Db::sqlite()).await;
    let id = server.admin().created(spa()).await;
    let held = server.db.hold_writers().await;
    let renames = (0..CALLS).map(|n| assert_unavailable(rename(&server, Transport::BOTH[n % 2], &id)));
    join_all(renames).await;
    assert_eq!(
        server.admin().stored(&id).await["clientName"],
        spa()["clientName"],
        "reading goes on"
    );
    held.rollback().await.unwrap();
    let rename = json!([{"op": "add", "path": "/clientName", "value": RENAME}]);
    server.admin().patch(Transport::Rest, &id, rename).await.unwrap();
    assert_eq!(server.admin().stored(&id).await["clientName"], RENAME);
}

async fn fails_and_recovers(network: Network) {
    let Some((server, proxy)) =
        server_behind_proxy_with(|config| config.queue_time = DEFAULT_QUEUE_TIME).await
    else {
        return;
    };
    let id = server.admin().created(spa()).await;
    ready_is(&server, 200).await;
    let admin = server.admin();
    join_all((0..CALLS).map(|_| admin.get(Transport::Grpc, &id))).await;

    proxy.set(network).await;
    // Until then, memory may answer.
    tokio::time::sleep(FENCE).await;
    let reads = (0..CALLS).map(|n| assert_unavailable(admin.get(Transport::BOTH[n % 2], &id)));
    join_all(reads).await;
    join_all(Transport::BOTH.map(|transport| assert_unavailable(rename(&server, transport, &id)))).await;
    assert_unavailable(admin.list(Transport::Grpc, json!({}))).await;
    ready_is(&server, 503).await;

    proxy.set(Network::Works).await;
    ready_is(&server, 200).await;
    for transport in Transport::BOTH {
        rename(&server, transport, &id).await.unwrap();
    }
    assert_eq!(server.admin().stored(&id).await["clientName"], RENAME);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_postgresql_is_unavailable_until_it_is_back() {
    fails_and_recovers(Network::Cut).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unresponsive_postgresql_is_unavailable_until_it_is_back() {
    fails_and_recovers(Network::Swallows).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn abandoned_requests_leave_no_transaction_open() {
    let Some(db) = Db::postgres().await else {
        return;
    };
    let server = TestServer::start(db).await;
    let id = server.admin().created(spa()).await;
    let call = async |milliseconds: usize| {
        let path = if milliseconds.is_multiple_of(2) {
            format!("{COLLECTION}/{id}")
        } else {
            COLLECTION.to_owned()
        };
        let admin = server.admin();
        let request = admin.request(reqwest::Method::GET, &path);
        let answer = Answer::to(request.header("Grpc-Timeout", format!("{milliseconds}m"))).await;
        assert!(
            matches!(answer.status, 200 | 504),
            "{} {}",
            answer.status,
            answer.text
        );
    };
    for _ in 0..10 {
        join_all((0..200).map(|number| call(2 + number % 30))).await;
    }
    let open = "SELECT count(*) FROM pg_stat_activity \
                WHERE datname = current_database() AND state LIKE 'idle in transaction%'";
    eventually("no transaction is open", async || {
        (server.db.number(open).await == 0).then_some(())
    })
    .await;
    assert!(server.admin().list(Transport::Grpc, json!({})).await.is_ok());
}
