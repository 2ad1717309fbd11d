//! The retention of change records.

use std::time::{Duration, SystemTime};

use futures_util::future::join_all;
use oauth_clients::store::{Cutoff, Store};
use serde_json::json;

use super::{Row, client_id, insert, names};
use crate::support::{Db, TestServer, Transport, eventually, registry::Registry, samples::web};

on_each_database![
    records_are_purged_in_batches_by_their_age,
    several_servers_purge_at_once,
    a_server_purges_what_is_older_than_its_retention,
    a_purge_writes_no_record_and_keeps_clients,
];

const DAY: Duration = Duration::from_hours(24);

fn row(number: usize, age: Duration) -> Row {
    let time = SystemTime::now() - age;
    let time = time.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    Row {
        tenant: ["acme", "other"][number % 2],
        client_id: client_id(number),
        revision: 1,
        kind: "created".to_owned(),
        time: i64::try_from(time.as_micros()).unwrap(),
        actor: "alice".to_owned(),
    }
}

/// Returns records of which the first are a minute older than the retention of a day, and the others younger.
fn rows(old: usize, young: usize) -> Vec<Row> {
    let old_rows = (0..old).map(|number| row(number, DAY + Duration::from_mins(1)));
    old_rows
        .chain((old..old + young).map(|number| row(number, Duration::from_hours(23))))
        .collect()
}

const COUNT: &str = "SELECT count(*) FROM oauth_client_changes";

async fn records_are_purged_in_batches_by_their_age(db: Db) {
    let registry = Registry::open(&db).await;
    insert(&db, &rows(2_500, 30)).await;
    let mut batches = Vec::new();
    while batches.last() != Some(&0) {
        let batch = registry.store.purge(Cutoff::change_records(DAY)).await;
        batches.push(batch.unwrap());
    }
    assert_eq!(batches, [1_000, 1_000, 500, 0]);
    assert_eq!(db.number(COUNT).await, 30);
    let kept = registry.store.purge(Cutoff::change_records(Duration::MAX)).await;
    assert_eq!(kept.unwrap(), 0);
}

async fn several_servers_purge_at_once(db: Db) {
    let registry = Registry::open(&db).await;
    let other = if db.is_sqlite() {
        registry.store.clone()
    } else {
        Registry::open(&db).await.store
    };
    insert(&db, &rows(6_000, 10)).await;
    let purge = async |store: &Store| {
        let mut purged = 0;
        loop {
            let batch = store.purge(Cutoff::change_records(DAY)).await.unwrap();
            assert!(batch <= 1_000, "{batch}");
            if batch == 0 {
                return purged;
            }
            purged += batch;
        }
    };
    let stores = [&registry.store, &other, &registry.store, &other];
    let purged = join_all(stores.map(purge)).await;
    assert_eq!(purged.iter().sum::<u64>(), 6_000, "{purged:?}");
    assert_eq!(db.number(COUNT).await, 10);
}

async fn a_server_purges_what_is_older_than_its_retention(db: Db) {
    drop(Registry::open(&db).await);
    insert(&db, &rows(1_200, 3)).await;
    // It has a purge of its own right after it starts.
    let server = TestServer::start_with(db, |config| config.change_retention = DAY).await;
    let purged = async || (server.db.number(COUNT).await == 3).then_some(());
    eventually("the old records are purged", purged).await;
    let page = server.admin().list_changes(Transport::Rest, json!({})).await;
    let (first, second) = (client_id(1_200), client_id(1_202));
    let expected: Vec<(&str, i64)> = vec![(&second, 1), (&first, 1)];
    assert_eq!(names(&page.unwrap()), expected);
    let db = server.stop().await;
    let server = TestServer::start_with(db, |config| config.change_retention = 2 * DAY).await;
    let id = server.admin().created(web()).await;
    assert!(!id.is_empty());
    assert_eq!(server.db.number(COUNT).await, 4);
}

async fn a_purge_writes_no_record_and_keeps_clients(server: TestServer) {
    let admin = server.admin();
    let id = admin.created(web()).await;
    let stored = admin.stored(&id).await;
    let sql = format!(
        "UPDATE oauth_client_changes SET time = time - {}",
        2 * DAY.as_micros()
    );
    server.db.execute(&sql).await;
    let store = Store::connect(&server.db.url(), None).await.unwrap();
    assert_eq!(store.purge(Cutoff::change_records(DAY)).await.unwrap(), 1);
    assert_eq!(server.db.number(COUNT).await, 0);
    for transport in Transport::BOTH {
        let page = admin.list_changes(transport, json!({"totalResults": true})).await;
        let page = page.unwrap();
        assert_eq!((&page["data"], &page["totalResults"]), (&json!([]), &json!(0)));
        assert_eq!(admin.get(transport, &id).await.unwrap(), stored);
    }
    // The revision goes on from where it was.
    let rename = json!([{"op": "add", "path": "/clientName", "value": "x"}]);
    admin.patch(Transport::Grpc, &id, rename).await.unwrap();
    let page = admin.list_changes(Transport::Grpc, json!({})).await.unwrap();
    assert_eq!(names(&page), [(id.as_str(), 2)]);
}
