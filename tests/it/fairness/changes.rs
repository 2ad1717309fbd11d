//! Changes of one client: they wait in line without a connection.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use futures_util::future::{join, join_all};
use sea_orm::{ConnectionTrait as _, TransactionTrait as _};
use serde_json::{Value, json};

use super::{Neighbour, without_memory};
use crate::support::{Db, Refused, TestServer, Transport, authn::id_of, samples::spa};

on_each_database![
    many_changes_of_a_client_do_not_delay_those_of_another,
    a_line_of_changes_that_is_full_refuses_at_once,
];

fn rename() -> Value {
    let name = uuid::Uuid::now_v7().to_string();
    json!([{"op": "add", "path": "/clientName", "value": name}])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_row_and_many_changes_of_it_stop_no_one_else() {
    let Some(db) = Db::postgres().await else {
        return;
    };
    let server = TestServer::start_with(db, |config| without_memory(config, Some(4))).await;
    let neighbour = Neighbour::of(&server).await;
    let (admin, platform) = (server.admin_of("neighbour"), server.platform());
    let locked = admin.created(spa()).await;
    let connection = server.db.connect().await;
    let lock = connection.begin().await.unwrap();
    let sql = format!("SELECT 1 FROM oauth_clients WHERE client_id = '{locked}' FOR UPDATE");
    lock.execute_unprepared(&sql).await.unwrap();

    let ended = AtomicUsize::new(0);
    let changes = (0..20).map(async |number: usize| {
        let transport = Transport::BOTH[number % 2];
        let refused = admin.patch(transport, &locked, rename()).await.unwrap_err();
        ended.fetch_add(1, Ordering::Relaxed);
        assert_eq!(refused.codes(), ["UNAVAILABLE"]);
    });
    let others = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        for round in 0..3 {
            for transport in Transport::BOTH {
                admin.get(transport, &neighbour.id).await.unwrap();
                admin.patch(transport, &neighbour.id, rename()).await.unwrap();
            }
            assert!(platform.takes_secret(&neighbour.id, &neighbour.secret).await);
            admin.list(Transport::Grpc, json!({})).await.unwrap();
            assert_eq!(
                ended.load(Ordering::Relaxed),
                0,
                "round {round} waited for the lock"
            );
        }
    };
    join(join_all(changes), others).await;
    lock.rollback().await.unwrap();
    admin.patch(Transport::Rest, &locked, rename()).await.unwrap();
}

async fn many_changes_of_a_client_do_not_delay_those_of_another(server: TestServer) {
    const CHANGES: usize = 100;
    let admin = server.admin();
    let (busy, quiet) = (admin.created(spa()).await, admin.created(spa()).await);
    for transport in Transport::BOTH {
        let made = AtomicUsize::new(0);
        let changes = (0..CHANGES).map(async |_| {
            let outcome = admin.patch(transport, &busy, rename()).await;
            made.fetch_add(1, Ordering::Relaxed);
            outcome.map_err(|refused| assert_eq!(refused.codes(), ["UNAVAILABLE"]))
        });
        let other = async {
            while made.load(Ordering::Relaxed) == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            admin.patch(transport, &quiet, rename()).await.unwrap();
            made.load(Ordering::Relaxed)
        };
        let (_, before) = join(join_all(changes), other).await;
        assert!(
            before < CHANGES * 3 / 4,
            "{transport:?}: {before} were made before"
        );
    }
}

async fn a_line_of_changes_that_is_full_refuses_at_once(server: TestServer) {
    const LONGEST: usize = 128;
    const TOO_MANY: usize = 10;
    let admin = server.admin();
    let client = admin.create(Transport::Grpc, spa()).await;
    let id = id_of(&client);
    for transport in Transport::BOTH {
        let held = server.db.hold_writers().await;
        let started = Instant::now();
        let early = AtomicUsize::new(0);
        let changes = (0..LONGEST + TOO_MANY).map(async |_| {
            let refused = admin.patch(transport, id, rename()).await.unwrap_err();
            assert_eq!(refused.codes(), ["UNAVAILABLE"]);
            if started.elapsed() < Duration::from_secs(2) {
                early.fetch_add(1, Ordering::Relaxed);
            }
        });
        join_all(changes).await;
        held.rollback().await.unwrap();
        assert_eq!(early.load(Ordering::Relaxed), TOO_MANY, "{transport:?}");
        let outcome: Result<Value, Refused> = admin.patch(transport, id, rename()).await;
        outcome.unwrap();
    }
}
