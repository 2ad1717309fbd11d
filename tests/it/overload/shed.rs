//! Work at the database beyond its limits is refused after a short time in the queue.

use std::{
    num::NonZeroU32,
    time::{Duration, Instant},
};

use bytesize::ByteSize;
use futures_util::future::join_all;
use oauth_clients::store::{Load, Work};
use reqwest::Method;
use serde_json::{Value, json};
use tonic_types::StatusExt as _;

use crate::support::{
    Answer, Db, Refused, TestServer, Transport, eventually, http::COLLECTION, process::run, samples::spa,
};

on_each_database![
    a_change_over_the_limit_is_refused_and_reads_go_on,
    a_refused_request_is_told_when_to_retry,
    a_read_over_the_limit_is_refused_and_memory_still_answers,
    a_list_over_the_limit_is_refused,
    a_request_that_is_given_up_leaves_the_queue,
    requests_within_the_queue_time_are_all_served,
    a_change_that_waits_for_the_fence_holds_no_permit,
];

/// Returns a server that admits one list and one change at a time.
async fn narrow(db: Db, queue_time: Duration) -> TestServer {
    TestServer::start_with(db, |config| {
        config.database_connections = NonZeroU32::new(2);
        config.queue_time = queue_time;
    })
    .await
}

const SHORT: Duration = Duration::from_millis(100);

fn rename(name: &str) -> Value {
    json!([{"op": "add", "path": "/clientName", "value": name}])
}

async fn load_is(server: &TestServer, work: Work, in_flight: usize, waiting: usize) {
    let expected = Load { in_flight, waiting };
    eventually(&format!("{work:?}: {expected:?}"), async || {
        (server.store.load(work) == expected).then_some(())
    })
    .await;
}

async fn a_change_over_the_limit_is_refused_and_reads_go_on(db: Db) {
    let server = narrow(db, SHORT).await;
    let admin = &server.admin();
    let (held_id, id) = (admin.created(spa()).await, admin.created(spa()).await);
    let held = server.db.hold_client(&held_id).await;
    let waits = admin.patch(Transport::Grpc, &held_id, rename("first"));
    let others = async {
        load_is(&server, Work::Change, 1, 0).await;
        for transport in Transport::BOTH {
            let refused = [
                admin.patch(transport, &id, rename("second")).await,
                admin.call(transport, "CreateOAuthClient", spa()).await,
            ];
            for refused in refused {
                assert_eq!(refused.unwrap_err().codes(), ["UNAVAILABLE"]);
            }
            admin.get(transport, &id).await.unwrap();
            admin.list(transport, json!({})).await.unwrap();
        }
        // A probe is never refused.
        for path in ["/healthz", "/readyz"] {
            assert_eq!(server.caller(None).http_get(path).await.status, 200);
        }
        held.rollback().await.unwrap();
    };
    let (first, ()) = tokio::join!(waits, others);
    first.unwrap();
    for transport in Transport::BOTH {
        admin.patch(transport, &id, rename("third")).await.unwrap();
    }
}

async fn a_refused_request_is_told_when_to_retry(db: Db) {
    let server = narrow(db, SHORT).await;
    let admin = &server.admin();
    let (held_id, id) = (admin.created(spa()).await, admin.created(spa()).await);
    let held = server.db.hold_client(&held_id).await;
    let waits = admin.patch(Transport::Grpc, &held_id, rename("first"));
    let others = async {
        load_is(&server, Work::Change, 1, 0).await;
        let post = admin.request(Method::POST, COLLECTION).body(spa().to_string());
        let answer = Answer::to(post).await;
        assert_eq!((answer.status, answer.header("retry-after")), (503, "1"));
        assert_eq!(answer.refused().codes(), ["UNAVAILABLE"]);
        let request = oauth_clients::pb::v1::EnableOAuthClientRequest {
            client_id: id.clone(),
            etag: None,
            request_id: None,
        };
        let status = admin.grpc().enable_o_auth_client(request).await.unwrap_err();
        assert_eq!(status.code(), tonic::Code::Unavailable);
        let retry = status.get_error_details().retry_info().unwrap().retry_delay;
        assert_eq!(retry, Some(Duration::from_secs(1)));
        held.rollback().await.unwrap();
    };
    tokio::join!(waits, others).0.unwrap();
}

/// Makes every query of clients wait. On SQLite nothing does that to reads, so there is `None`.
async fn hold_reads(db: &Db) -> Option<sea_orm::DatabaseTransaction> {
    if db.is_sqlite() {
        return None;
    }
    Some(db.hold_writers().await)
}

async fn a_read_over_the_limit_is_refused_and_memory_still_answers(db: Db) {
    let server = narrow(db, SHORT).await;
    let admin = &server.admin();
    let (remembered, other) = (admin.created(spa()).await, admin.created(spa()).await);
    // The next look drops what was read before it.
    tokio::time::sleep(server.store.fence_wait()).await;
    admin.stored(&remembered).await;
    let Some(held) = hold_reads(&server.db).await else {
        return;
    };
    let waits = async {
        tokio::join!(
            admin.get(Transport::Grpc, &other),
            admin.get(Transport::Rest, &other)
        )
    };
    let others = async {
        load_is(&server, Work::Read, 2, 0).await;
        for transport in Transport::BOTH {
            let refused = admin.get(transport, &other).await.unwrap_err();
            assert_eq!(refused.codes(), ["UNAVAILABLE"]);
            admin.get(transport, &remembered).await.unwrap();
        }
        held.rollback().await.unwrap();
    };
    let ((one, another), ()) = tokio::join!(waits, others);
    one.unwrap();
    another.unwrap();
}

async fn a_list_over_the_limit_is_refused(db: Db) {
    let server = narrow(db, SHORT).await;
    let admin = &server.admin();
    let Some(held) = hold_reads(&server.db).await else {
        return;
    };
    let waits = admin.list(Transport::Grpc, json!({}));
    let others = async {
        load_is(&server, Work::List, 1, 0).await;
        for transport in Transport::BOTH {
            let refused = admin.list(transport, json!({})).await.unwrap_err();
            assert_eq!(refused.codes(), ["UNAVAILABLE"]);
        }
        held.rollback().await.unwrap();
    };
    tokio::join!(waits, others).0.unwrap();
}

async fn a_request_that_is_given_up_leaves_the_queue(db: Db) {
    let server = narrow(db, Duration::from_mins(1)).await;
    let admin = &server.admin();
    let id = admin.created(spa()).await;
    let held = server.db.hold_client(&id).await;
    let waits = admin.patch(Transport::Grpc, &id, rename("first"));
    let others = async {
        load_is(&server, Work::Change, 1, 0).await;
        // The caller resets the stream.
        tokio::select! {
            _ = admin.call(Transport::Grpc, "CreateOAuthClient", spa()) => unreachable!("it waits"),
            () = load_is(&server, Work::Change, 1, 1) => {}
        }
        load_is(&server, Work::Change, 1, 0).await;
        // Its deadline passes.
        let post = admin.request(Method::POST, COLLECTION).body(spa().to_string());
        let answer = Answer::to(post.header("grpc-timeout", "100m")).await;
        assert_eq!(answer.refused().codes(), ["DEADLINE_EXCEEDED"]);
        load_is(&server, Work::Change, 1, 0).await;
        held.rollback().await.unwrap();
    };
    tokio::join!(waits, others).0.unwrap();
    let list = admin.list(Transport::Grpc, json!({})).await.unwrap();
    assert_eq!(list["data"].as_array().unwrap().len(), 1, "nothing was created");
}

async fn requests_within_the_queue_time_are_all_served(db: Db) {
    let server = TestServer::start_with(db, |config| {
        config.cache_size = ByteSize::b(0);
        config.database_connections = NonZeroU32::new(1);
        config.queue_time = Duration::from_mins(1);
    })
    .await;
    let admin = &server.admin();
    let id = &admin.created(spa()).await;
    let calls = (0..15).map(async |n| {
        let transport = Transport::BOTH[n % 2];
        admin.get(transport, id).await?;
        admin.list(transport, json!({})).await?;
        admin.call(transport, "CreateOAuthClient", spa()).await?;
        Ok::<_, Refused>(())
    });
    for outcome in join_all(calls).await {
        outcome.unwrap();
    }
    for work in Work::ALL {
        load_is(&server, work, 0, 0).await;
    }
}

async fn a_change_that_waits_for_the_fence_holds_no_permit(db: Db) {
    let set = [
        "migrate",
        "up",
        "--cache-fence",
        "500ms",
        "--database-url",
        db.text(),
    ];
    assert_eq!(run(&set).await.code, Some(0));
    let server = narrow(db, Duration::from_mins(1)).await;
    let admin = &server.admin();
    let fence = server.store.fence_wait();
    if fence.is_zero() {
        return;
    }
    let mut ids = Vec::new();
    for _ in 0..15 {
        ids.push(admin.created(spa()).await);
    }
    let started = Instant::now();
    let patches = ids.iter().map(|id| admin.patch(Transport::Grpc, id, rename("x")));
    for outcome in join_all(patches).await {
        outcome.unwrap();
    }
    let elapsed = started.elapsed();
    assert!(elapsed < fence * 15, "one after the other: {elapsed:?}");
}
