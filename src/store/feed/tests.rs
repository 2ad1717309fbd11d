//! Tests of the feed.

use std::time::Duration;

use sea_orm::sqlx::{self, AssertSqlSafe, Connection as _, PgConnection, Row as _};
use uuid::Uuid;

use super::*;
use crate::{
    domain::{change_position::Position, ids::ClientId},
    store::{Claim, DatabaseUrl, Store},
};

fn id(number: u128) -> ClientId {
    ClientId::from_uuid(Uuid::from_u128(number))
}

async fn run(connection: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(connection)
        .await
        .unwrap();
}

fn record(number: u128) -> String {
    format!(
        "INSERT INTO oauth_client_changes (tenant_id, client_id, revision, type, time, actor) \
         VALUES ('acme', '{}', 1, 'updated', {number}, 'somebody')",
        id(number)
    )
}

/// A store on a PostgreSQL database of its own, and the URLs of that and of its server.
#[expect(clippy::disallowed_methods, reason = "the name only has to be unique")]
async fn postgres() -> Option<(Store, String, String, String)> {
    let admin = std::env::var("TEST_POSTGRES_URL").ok()?;
    let name = format!("feed_{}", Uuid::now_v7().simple());
    let mut connection = PgConnection::connect(&admin).await.unwrap();
    run(&mut connection, &format!("CREATE DATABASE {name}")).await;
    let (server, _) = admin.rsplit_once('/').unwrap();
    let url = format!("{server}/{name}");
    let database: DatabaseUrl = url.parse().unwrap();
    let claim = Claim::acquire(&database, None).await.unwrap();
    let store = Store::connect(&database, None).await.unwrap();
    store.migrate(&claim).await.unwrap();
    Some((store, url, admin, name))
}

async fn drop_database(store: Store, admin: &str, name: &str) {
    store.close().await;
    let mut connection = PgConnection::connect(admin).await.unwrap();
    run(&mut connection, &format!("DROP DATABASE {name} WITH (FORCE)")).await;
}

/// Reads the clients of the changes from a head to what is visible now.
async fn read_on(store: &Store, from: &Head) -> (Head, Vec<ClientId>) {
    let head = store.head_of_changes().await.unwrap();
    let mut position = Position::after(from.seen.clone());
    let mut found = Vec::new();
    while !position.is_after(&head.seen) {
        let everything = WatchScope::default();
        let slice = store.slice_of_changes(&position, &head.seen, &everything);
        let slice = slice.await.unwrap();
        found.extend(
            slice
                .changes
                .iter()
                .map(|change| change.client_id().unwrap().clone()),
        );
        position = slice.position;
    }
    (head, found)
}

#[tokio::test]
async fn a_late_commit_is_read_and_nothing_twice() {
    let Some((store, url, admin, name)) = postgres().await else {
        return;
    };
    let mut late = PgConnection::connect(&url).await.unwrap();
    let mut early = PgConnection::connect(&url).await.unwrap();
    let first = store.head_of_changes().await.unwrap();
    run(&mut late, &format!("BEGIN; {}", record(1))).await;
    run(&mut early, &record(2)).await;
    let (second, found) = read_on(&store, &first).await;
    assert_eq!(found, [id(2)]);
    // Perhaps beside those of others on the server.
    assert!(!second.seen.open.is_empty(), "the number of the late one");
    run(&mut late, "COMMIT").await;
    let (third, found) = read_on(&store, &second).await;
    assert_eq!(found, [id(1)]);
    let (_, found) = read_on(&store, &third).await;
    assert_eq!(found, []);
    let (_, found) = read_on(&store, &first).await;
    assert_eq!(found, [id(1), id(2)]);
    drop((late, early));
    drop_database(store, &admin, &name).await;
}

/// Of one client, numbers grow as revisions do: a transaction that waits for a client has drawn no number.
#[tokio::test]
async fn a_transaction_that_waits_for_a_client_has_no_number_yet() {
    let Some((store, url, admin, name)) = postgres().await else {
        return;
    };
    let mut first = PgConnection::connect(&url).await.unwrap();
    run(
        &mut first,
        "CREATE TABLE rows (number int); INSERT INTO rows VALUES (1)",
    )
    .await;
    let lock = "BEGIN; SELECT * FROM rows FOR UPDATE";
    run(&mut first, lock).await;
    let mut second = PgConnection::connect(&url).await.unwrap();
    let waiting = tokio::spawn(async move {
        run(&mut second, lock).await;
        second
    });
    let mut third = PgConnection::connect(&url).await.unwrap();
    let find = format!(
        "SELECT backend_xid::text FROM pg_stat_activity WHERE datname = '{name}' AND wait_event_type = 'Lock'"
    );
    let number: Option<String> = loop {
        let row = sqlx::raw_sql(AssertSqlSafe(find.as_str()));
        if let Some(row) = row.fetch_optional(&mut third).await.unwrap() {
            break row.get(0);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert_eq!(number, None);
    run(&mut first, "COMMIT").await;
    drop(waiting.await.unwrap());
    drop((first, third));
    drop_database(store, &admin, &name).await;
}

#[tokio::test]
async fn reading_changes_uses_the_index() {
    let Some((store, url, admin, name)) = postgres().await else {
        return;
    };
    let mut connection = PgConnection::connect(&url).await.unwrap();
    let fill = "INSERT INTO oauth_client_changes (tenant_id, client_id, revision, type, time, actor, xid) \
                SELECT 'acme', md5(number::text), 1, 'updated', number, 'somebody', CAST(number::text AS xid8) \
                FROM generate_series(1, 100000) AS number";
    run(&mut connection, fill).await;
    run(&mut connection, "ANALYZE").await;
    let slice = POSTGRES_SLICE.as_str();
    let types = "text, text, text, text, text, text, bigint, bigint, text, text, bigint";
    run(&mut connection, &format!("PREPARE slice ({types}) AS {slice}")).await;
    for mode in ["force_custom_plan", "force_generic_plan"] {
        run(&mut connection, &format!("SET plan_cache_mode = {mode}")).await;
        let explain = "EXPLAIN (COSTS OFF) EXECUTE slice \
                       ('100', '{90}', '900000', '{}', '0', '', 0, 500, 'acme', NULL, 2000000)";
        let rows = sqlx::raw_sql(explain).fetch_all(&mut connection).await.unwrap();
        let plan: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        let plan = plan.join("\n");
        assert!(plan.contains("oauth_client_changes_xid_idx"), "{plan}");
        assert!(!plan.contains("Seq Scan on oauth_client_changes"), "{plan}");
    }
    drop(connection);
    drop_database(store, &admin, &name).await;
}

#[tokio::test]
async fn a_restored_dump_is_behind_after_the_incarnation_was_renewed() {
    let Some((store, url, admin, name)) = postgres().await else {
        return;
    };
    let mut connection = PgConnection::connect(&url).await.unwrap();
    run(&mut connection, &record(1)).await;
    let future = "UPDATE oauth_client_changes SET xid = '9000000000000000000'";
    run(&mut connection, future).await;
    let before = store.head_of_changes().await.unwrap();
    let claim = Claim::acquire(&url.parse().unwrap(), None).await.unwrap();
    store.renew_incarnation(&claim).await.unwrap();
    let after = store.head_of_changes().await.unwrap();
    assert_ne!(before.incarnation, after.incarnation);
    run(&mut connection, &record(2)).await;
    let (_, found) = read_on(&store, &after).await;
    assert_eq!(found, [id(2)]);
    let left =
        sqlx::raw_sql("SELECT count(*)::text FROM oauth_client_changes WHERE xid > pg_current_xact_id()");
    let left: String = left.fetch_one(&mut connection).await.unwrap().get(0);
    assert_eq!(left, "0");
    drop(connection);
    drop_database(store, &admin, &name).await;
}
