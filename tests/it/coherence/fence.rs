//! The fence: what waits for it, and when it can be set.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use http::Method;
use serde_json::{Value, json};

use crate::support::{
    Answer, Db, Given as _, TestServer, Transport,
    authn::{id_of, secret_of},
    http::COLLECTION,
    process::{Ended, command, run},
    samples::{spa, web},
};

on_each_database![
    the_fence_is_set_while_no_server_runs,
    a_fence_that_is_invalid_is_refused,
    a_database_that_has_clients_starts_without_memory,
    every_change_of_a_client_waits_for_the_fence_and_creating_does_not,
    a_change_whose_deadline_is_before_the_fence_is_refused,
    a_server_without_memory_behaves_the_same,
];

/// The time that a change waits with a fence of 300 ms, but for the precision of the test.
const WAIT: Duration = Duration::from_millis(306);
const FENCE: &str = "SELECT CAST(value AS bigint) FROM oauth_client_settings WHERE name = 'cache_fence_ms'";

async fn set_fence(db: &Db, fence: &str) -> Ended {
    run(&[
        "migrate",
        "up",
        "--cache-fence",
        fence,
        "--database-url",
        db.text(),
    ])
    .await
}

/// Returns a server on a database with a fence of 300 ms.
async fn server_with_fence(db: Db) -> TestServer {
    assert_eq!(set_fence(&db, "300ms").await.code, Some(0));
    TestServer::given(db).await
}

async fn the_fence_is_set_while_no_server_runs(server: TestServer) {
    assert_eq!(server.db.number(FENCE).await, 100);
    if server.db.is_sqlite() {
        // It waits for its turn.
        let args = [
            "migrate",
            "up",
            "--cache-fence",
            "50ms",
            "--database-url",
            server.db.text(),
        ];
        let mut setting = command(&args);
        let mut setting = setting
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(server.db.number(FENCE).await, 100);
        let db = server.stop().await;
        assert!(setting.wait().await.unwrap().success());
        assert_eq!(db.number(FENCE).await, 50);
        return;
    }
    let refused = set_fence(&server.db, "50ms").await;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("stop every server"), "{refused:?}");
    assert_eq!(server.db.number(FENCE).await, 100);
    let same = set_fence(&server.db, "100ms").await;
    assert_eq!(same.code, Some(0), "{same:?}");

    let db = server.stop().await;
    let set = set_fence(&db, "50ms").await;
    assert_eq!(set.code, Some(0), "{set:?}");
    assert_eq!(db.number(FENCE).await, 50);
}

async fn a_fence_that_is_invalid_is_refused(db: Db) {
    for fence in ["2001ms", "-1s", "1us", "fast"] {
        let ended = set_fence(&db, fence).await;
        assert_eq!(ended.code, Some(2), "{fence}: {ended:?}");
    }
}

async fn a_database_that_has_clients_starts_without_memory(server: TestServer) {
    server.admin().created(spa()).await;
    let db = server.stop().await;
    // As before the migration that makes the fence.
    for sql in [
        "DROP TABLE oauth_client_settings",
        "DROP TABLE oauth_client_changes",
        "DELETE FROM seaql_migrations WHERE version LIKE '%_changes'",
    ] {
        db.execute(sql).await;
    }
    let server = TestServer::given(db).await;
    assert_eq!(server.db.number(FENCE).await, 0);
}

/// Returns the time that a request takes.
async fn time<T>(request: impl Future<Output = T>) -> (Duration, T) {
    let started = Instant::now();
    let outcome = request.await;
    (started.elapsed(), outcome)
}

fn rename(name: &str) -> Value {
    json!([{"op": "add", "path": "/clientName", "value": name}])
}

async fn every_change_of_a_client_waits_for_the_fence_and_creating_does_not(db: Db) {
    let server = server_with_fence(db).await;
    let admin = server.admin();
    let (creating, created) = time(admin.create(Transport::Grpc, web())).await;
    let id = id_of(&created);
    let mut waits = Vec::new();
    for transport in Transport::BOTH {
        let (took, outcome) = time(admin.patch(transport, id, rename("renamed"))).await;
        waits.push((
            "patch, which the second time changes nothing",
            took,
            outcome.is_ok(),
        ));
        let secret = json!({"clientId": id, "requestId": uuid::Uuid::now_v7().to_string()});
        let create = || admin.call(transport, "CreateClientSecret", secret.clone());
        let (took, outcome) = time(create()).await;
        waits.push(("create a secret", took, outcome.is_ok()));
        // Its change may not be acknowledged yet.
        let (took, again) = time(create()).await;
        waits.push(("retry it", took, again == outcome));
        let hint = outcome.unwrap()["hint"].as_str().unwrap().to_owned();
        let (took, outcome) = time(admin.delete_secret(transport, id, &hint)).await;
        waits.push(("delete a secret", took, outcome.is_ok()));
        // What a change finds may be a change that is not acknowledged yet.
        let (took, outcome) = time(admin.delete_secret(transport, id, &hint)).await;
        waits.push(("delete a secret that is not there", took, outcome.is_err()));
    }
    let (took, outcome) = time(admin.disable(id, "misused")).await;
    waits.push(("disable", took, outcome.is_ok()));
    let (took, outcome) = time(admin.enable(id)).await;
    waits.push(("enable", took, outcome.is_ok()));
    let (took, outcome) = time(admin.delete(Transport::Grpc, id, id)).await;
    waits.push(("delete", took, outcome.is_ok()));
    let (took, outcome) = time(admin.delete(Transport::Grpc, id, id)).await;
    waits.push(("delete a client that is not there", took, outcome.is_err()));

    let fastest = waits.iter().map(|(.., took, _)| *took).min().unwrap();
    assert!(waits.iter().all(|(.., is_right)| *is_right), "{waits:?}");
    if server.db.is_sqlite() {
        assert!(fastest < WAIT / 2, "nothing waits: {waits:?}");
    } else {
        assert!(fastest >= WAIT, "{waits:?}");
        assert!(creating < WAIT, "{creating:?}");
    }
}

async fn a_change_whose_deadline_is_before_the_fence_is_refused(db: Db) {
    let server = server_with_fence(db).await;
    let admin = server.admin();
    let id = admin.created(spa()).await;
    let before = admin.stored(&id).await;
    let patch = async |timeout: &str| {
        let request = admin.request(Method::PATCH, &format!("{COLLECTION}/{id}"));
        let request = request.header("grpc-timeout", timeout);
        time(Answer::to(request.body(rename("renamed").to_string()))).await
    };
    let (took, answer) = patch("250m").await;
    if server.db.is_sqlite() {
        assert_eq!(answer.status, 204);
        return;
    }
    assert_eq!(answer.refused().codes(), ["DEADLINE_EXCEEDED"]);
    assert!(
        took < Duration::from_millis(200),
        "it is refused at once: {took:?}"
    );
    tokio::time::sleep(WAIT).await;
    assert_eq!(admin.stored(&id).await, before);
    assert_eq!(patch("5S").await.1.status, 204);
}

/// Returns what each of a number of requests returns, without identifiers, secrets and times.
async fn behaviour(server: &TestServer) -> Vec<Value> {
    let (admin, platform) = (server.admin(), server.platform());
    let client = admin.create(Transport::Grpc, web()).await;
    let (id, secret) = (id_of(&client), secret_of(&client));
    let mut seen = Vec::new();
    for transport in Transport::BOTH {
        let name = format!("{transport:?}");
        admin.patch(transport, id, rename(&name)).await.unwrap();
        let more = admin.create_secret(transport, id).await.unwrap();
        for step in 0..3 {
            match step {
                1 => drop(admin.disable(id, "misused").await.unwrap()),
                2 => {
                    admin.enable(id).await.unwrap();
                    let hint = more["hint"].as_str().unwrap();
                    admin.delete_secret(transport, id, hint).await.unwrap();
                }
                _ => {}
            }
            for _ in 0..2 {
                let found = admin.get(transport, id).await.unwrap();
                seen.push(found["clientName"].clone());
                seen.push(found["disableTag"].clone());
                seen.push(found["clientSecrets"].as_array().unwrap().len().into());
                seen.push(platform.lookup(id).await.is_ok().into());
                seen.push(platform.takes_secret(id, &secret).await.into());
                seen.push(platform.takes_secret(id, &secret_of(&more)).await.into());
            }
        }
    }
    admin.delete(Transport::Grpc, id, id).await.unwrap();
    for transport in Transport::BOTH {
        let refused = admin.get(transport, id).await.unwrap_err();
        seen.push(refused.codes().into());
    }
    seen.push(platform.takes_secret(id, &secret).await.into());
    seen
}

async fn a_server_without_memory_behaves_the_same(db: Db) {
    let other = db.another().await;
    let with_memory = TestServer::start(db).await;
    let expected = behaviour(&with_memory).await;
    let without_room = TestServer::start_with(with_memory.stop().await, |config| {
        config.cache_size = "0".parse().unwrap();
    })
    .await;
    assert_eq!(behaviour(&without_room).await, expected);
    drop(without_room);

    assert_eq!(set_fence(&other, "0").await.code, Some(0));
    let without_fence = TestServer::start(other).await;
    let (took, seen) = time(behaviour(&without_fence)).await;
    assert_eq!(seen, expected);
    // Nothing waits: there are nine changes.
    assert!(took < Duration::from_secs(5), "{took:?}");
}
