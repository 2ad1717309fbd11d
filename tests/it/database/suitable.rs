//! Databases that the server refuses, and the number of connections that it opens.

use std::{fs, num::NonZeroU32, pin::pin};

use futures_util::future::{Either, join_all, select};
use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbBackend, Statement};
use serde_json::json;

use crate::support::{
    Db, TestServer, Transport, eventually,
    process::{Ended, run},
    samples::spa,
};

/// Serves and migrates a database that is refused.
async fn refusals(url: &str) -> [Ended; 2] {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().to_str().unwrap();
    let serve = [
        "serve",
        "--dev",
        "--data-dir",
        data_dir,
        "--migrate",
        "--database-url",
        url,
    ];
    let migrate = ["migrate", "up", "--database-url", url];
    [run(&serve).await, run(&migrate).await]
}

fn assert_names_utf8(ended: &Ended) {
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("must be UTF-8"), "{ended:?}");
}

#[tokio::test]
async fn a_postgresql_database_that_is_not_utf8_is_refused() {
    for encoding in ["SQL_ASCII", "LATIN1", "EUC_JP"] {
        let options = format!("ENCODING '{encoding}' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'");
        let Some(db) = Db::postgres_with(&options).await else {
            return;
        };
        for ended in refusals(db.text()).await {
            assert_names_utf8(&ended);
            assert!(ended.stderr.contains(encoding), "{ended:?}");
        }
        let tables = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'";
        assert_eq!(db.number(tables).await, 0, "{encoding}: nothing was written");
    }
}

#[tokio::test]
async fn a_sqlite_file_that_is_not_utf8_is_refused_and_left_as_it_is() {
    for encoding in ["UTF-16le", "UTF-16be"] {
        let db = Db::sqlite();
        let sql = format!("PRAGMA encoding = '{encoding}'; CREATE TABLE another (text TEXT)");
        db.execute(&sql).await;
        let path = db.text().strip_prefix("sqlite:").unwrap();
        let before = fs::read(path).unwrap();
        for ended in refusals(db.text()).await {
            assert_names_utf8(&ended);
            assert!(ended.stderr.contains(encoding), "{ended:?}");
        }
        assert!(
            fs::read(path).unwrap() == before,
            "{encoding}: the file was changed"
        );
    }
}

/// Counts the other connections to the database, and those of them that carry the application name.
async fn connections(to: &DatabaseConnection) -> (i64, i64) {
    let query = "SELECT count(*), count(*) FILTER (WHERE application_name = 'oauth-clients') FROM pg_stat_activity \
                 WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()";
    let query = Statement::from_string(DbBackend::Postgres, query);
    let row = to.query_one_raw(query).await.unwrap().unwrap();
    (row.try_get_by_index(0).unwrap(), row.try_get_by_index(1).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_opens_as_many_connections_as_it_may_and_none_more() {
    let Some(db) = Db::postgres().await else {
        return;
    };
    let server = TestServer::start_with(db, |config| {
        config.database_connections = NonZeroU32::new(2);
    })
    .await;
    let admin = server.admin();
    admin.created(spa()).await;
    let watching = server.db.connect().await;
    // Those of the start may take a moment to end.
    eventually("the pool is alone", async || {
        (connections(&watching).await.0 <= 3).then_some(())
    })
    .await;
    let calls = join_all((0..50).map(async |number| {
        for _ in 0..10 {
            admin.list(Transport::BOTH[number % 2], json!({})).await.unwrap();
        }
    }));
    let mut calls = pin!(calls);
    let mut seen = Vec::new();
    loop {
        let count = pin!(connections(&watching));
        match select(calls.as_mut(), count).await {
            Either::Left(_) => break,
            Either::Right((count, _)) => seen.push(count),
        }
    }
    // One more looks for changes.
    assert_eq!(seen.iter().max(), Some(&(3, 3)), "{seen:?}");
    assert!(seen.iter().all(|(all, ours)| all == ours), "{seen:?}");
}
