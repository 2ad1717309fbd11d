//! Looking for changes on PostgreSQL, and transactions of unknown outcome on SQLite.

use std::time::Duration;

use sea_orm::sqlx::{self, AssertSqlSafe, Connection as _, PgConnection, Row as _};
use uuid::Uuid;

use super::{
    Claim, DatabaseUrl, Fence, Store, StoreError,
    changes::{Cursor, FIND_CHANGES, Found, Look, LookError},
    postgres::PREFER_INDEXES,
    session::Session,
};
use crate::domain::{
    change_type::ChangeType,
    client::{ChangeContext, Client},
    ids::{ClientId, Subject, TenantId},
    metadata::ClientDraft,
    secret::SecretSeed,
    timestamp::Timestamp,
};

/// A store on a PostgreSQL database of its own.
pub(super) struct World {
    pub(super) store: Store,
    session: Session,
    admin_url: String,
    name: String,
    url: String,
}

impl World {
    /// Returns `None` without `TEST_POSTGRES_URL`.
    pub(super) async fn new() -> Option<Self> {
        let admin_url = std::env::var("TEST_POSTGRES_URL").ok()?;
        let name = format!("store_{:032x}", rand_id());
        execute(&admin_url, &format!("CREATE DATABASE {name}")).await;
        let (server, _) = admin_url.rsplit_once('/').unwrap();
        let url = format!("{server}/{name}");
        let store = open(&url.parse().unwrap()).await;
        let (store, watch) = store.with_cache(0).await.unwrap();
        Some(Self {
            session: watch.session.unwrap(),
            store,
            admin_url,
            name,
            url,
        })
    }

    pub(super) async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.url).await.unwrap()
    }

    async fn look(&mut self, last: Option<&Cursor>) -> (Cursor, Vec<ClientId>) {
        let look = self.store.changes_since(&mut self.session, last).await.unwrap();
        match look {
            Look {
                cursor,
                found: Found::Clients(ids),
            } => (cursor, ids),
            Look { .. } => panic!("too many"),
        }
    }

    pub(super) async fn drop(self) {
        self.session.close().await.unwrap();
        self.store.close().await;
        execute(
            &self.admin_url,
            &format!("DROP DATABASE {} WITH (FORCE)", self.name),
        )
        .await;
    }
}

/// Returns a number that no other test has.
#[expect(clippy::disallowed_methods, reason = "the number only has to be unique")]
fn rand_id() -> u128 {
    Uuid::now_v7().as_u128()
}

async fn execute(url: &str, sql: &str) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    run(&mut connection, sql).await;
    connection.close().await.unwrap();
}

async fn run(connection: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(connection)
        .await
        .unwrap();
}

/// Returns the first column, a text, of each row that a query finds.
async fn texts(connection: &mut PgConnection, sql: &str) -> Vec<String> {
    let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(connection).await;
    rows.unwrap().iter().map(|row| row.get(0)).collect()
}

pub(super) async fn open(url: &DatabaseUrl) -> Store {
    let claim = Claim::acquire(url, None).await.unwrap();
    let store = Store::connect(url, None).await.unwrap();
    store.migrate(&claim).await.unwrap();
    store
}

pub(super) fn id(number: u128) -> ClientId {
    ClientId::from_uuid(Uuid::from_u128(number))
}

/// Returns the statement that adds a change record, with an `xid` or the one of its transaction.
fn record(number: u128, xid: Option<&str>) -> String {
    let (column, value) = xid.map_or_else(Default::default, |xid| (", xid".to_owned(), format!(", '{xid}'")));
    format!(
        "INSERT INTO oauth_client_changes (tenant_id, client_id, revision, type, time, actor{column}) \
         VALUES ('acme', '{}', 1, 'updated', {number}, 'somebody'{value})",
        id(number)
    )
}

#[tokio::test]
async fn a_late_commit_is_found_where_a_time_or_a_sequence_misses_it() {
    let Some(mut world) = World::new().await else {
        return;
    };
    let sequence = "ALTER TABLE oauth_client_changes ADD COLUMN sequence bigserial";
    execute(&world.url, sequence).await;
    let (mut late, mut early) = (world.connect().await, world.connect().await);
    let (first, found) = world.look(None).await;
    assert_eq!(found, [], "the first look only takes a snapshot");

    run(&mut late, &format!("BEGIN; {}", record(1, None))).await;
    run(&mut early, &record(2, None)).await;
    let (second, found) = world.look(Some(&first)).await;
    assert_eq!(found, [id(2)]);
    let newest = |column| format!("SELECT max({column})::text FROM oauth_client_changes");
    let seen_time = texts(&mut early, &newest("time")).await;
    let seen_sequence = texts(&mut early, &newest("sequence")).await;

    run(&mut late, "COMMIT").await;
    for (column, seen) in [("time", seen_time), ("sequence", seen_sequence)] {
        let later = format!(
            "SELECT client_id FROM oauth_client_changes WHERE {column} > {}",
            seen[0]
        );
        assert_eq!(texts(&mut early, &later).await, [""; 0], "{column}");
    }
    let (third, found) = world.look(Some(&second)).await;
    assert_eq!(found, [id(1)]);
    let (_, found) = world.look(Some(&third)).await;
    assert_eq!(found, [], "nothing is found twice");
    drop((late, early));
    world.drop().await;
}

#[tokio::test]
async fn a_change_that_is_rolled_back_is_never_found() {
    let Some(mut world) = World::new().await else {
        return;
    };
    let mut other = world.connect().await;
    let (first, _) = world.look(None).await;
    run(&mut other, &format!("BEGIN; {}", record(1, None))).await;
    let (second, found) = world.look(Some(&first)).await;
    assert_eq!(found, []);
    run(&mut other, "ROLLBACK").await;
    let (_, found) = world.look(Some(&second)).await;
    assert_eq!(found, []);
    drop(other);
    world.drop().await;
}

#[tokio::test]
async fn a_restored_record_from_the_future_is_not_found_again_and_again() {
    let Some(mut world) = World::new().await else {
        return;
    };
    let (mut last, _) = world.look(None).await;
    execute(&world.url, &record(1, Some("9000000000000000000"))).await;
    for number in 2..5 {
        execute(&world.url, &record(number, None)).await;
        let (cursor, found) = world.look(Some(&last)).await;
        assert_eq!(found, [id(number)]);
        last = cursor;
    }
    world.drop().await;
}

#[tokio::test]
async fn looking_for_changes_uses_the_index() {
    let Some(world) = World::new().await else {
        return;
    };
    let mut connection = world.connect().await;
    let fill = "INSERT INTO oauth_client_changes (tenant_id, client_id, revision, type, time, actor) \
                SELECT 'acme', md5(number::text), 1, 'updated', number, 'somebody' \
                FROM generate_series(1, 100000) AS number";
    run(&mut connection, fill).await;
    let prepare = format!("PREPARE look (text, bigint) AS {FIND_CHANGES}");
    for settings in [PREFER_INDEXES, "ANALYZE"] {
        run(&mut connection, settings).await;
        run(&mut connection, &format!("DEALLOCATE ALL; {prepare}")).await;
        // The plan is the one for any parameters after a few times.
        for mode in ["force_custom_plan", "force_generic_plan"] {
            run(&mut connection, &format!("SET plan_cache_mode = {mode}")).await;
            let explain = "EXPLAIN (COSTS OFF) EXECUTE look ('1000:1010:1000,1005', 10001)";
            let plan = texts(&mut connection, explain).await.join("\n");
            let scans = plan.matches("oauth_client_changes_xid_idx").count();
            assert!(scans >= 2, "{plan}");
            assert!(!plan.contains("Seq Scan on oauth_client_changes"), "{plan}");
        }
    }
    connection.close().await.unwrap();
    world.drop().await;
}

#[tokio::test]
async fn a_role_that_is_no_superuser_may_look_for_changes() {
    let Some(mut world) = World::new().await else {
        return;
    };
    let role = format!("role_{:032x}", rand_id());
    let create = format!("CREATE ROLE {role}; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}");
    execute(&world.url, &create).await;
    let as_role = format!("SET ROLE {role}");
    world.session.execute_unprepared(&as_role).await.unwrap();
    let (first, _) = world.look(None).await;
    execute(&world.url, &record(1, None)).await;
    let (_, found) = world.look(Some(&first)).await;
    assert_eq!(found, [id(1)]);
    let forget = format!("DROP OWNED BY {role}; DROP ROLE {role}");
    execute(&world.url, &forget).await;
    world.drop().await;
}

#[tokio::test]
async fn a_standby_is_neither_read_nor_looked_at() {
    let Some(mut world) = World::new().await else {
        return;
    };
    // Found before the function of the system.
    let pretend = "CREATE FUNCTION public.pg_is_in_recovery() RETURNS boolean LANGUAGE sql AS 'SELECT true'";
    execute(&world.url, pretend).await;
    let path = "public, pg_catalog";
    let set_path = format!("SET search_path = {path}");
    world.session.execute_unprepared(&set_path).await.unwrap();
    let look = world.store.changes_since(&mut world.session, None).await;
    assert!(matches!(look, Err(LookError::Standby)), "{look:?}");

    let for_all = format!("ALTER DATABASE {} SET search_path = {path}", world.name);
    execute(&world.url, &for_all).await;
    let store = Store::connect(&world.store.url, None).await.unwrap();
    let read = store.get_client(&tenant(), &id(1)).await;
    assert!(matches!(read, Err(StoreError::Unavailable(_))), "{read:?}");
    world.drop().await;
}

#[tokio::test]
async fn a_look_that_finds_another_fence_does_not_count() {
    let Some(mut world) = World::new().await else {
        return;
    };
    let usual = world.store.fence_wait();
    let change = "UPDATE oauth_client_settings SET value = '50' WHERE name = 'cache_fence_ms'";
    execute(&world.url, change).await;
    let look = world.store.changes_since(&mut world.session, None).await;
    assert!(matches!(look, Err(LookError::Fence(_))), "{look:?}");
    assert!(world.store.fence_wait() > usual, "from now on, the longest one");
    world.drop().await;
}

#[tokio::test]
async fn the_fence_is_not_set_while_a_session_looks_for_changes() {
    let Some(world) = World::new().await else {
        return;
    };
    let claim = Claim::acquire(&world.store.url, None).await.unwrap();
    let fence: Fence = "50ms".parse().unwrap();
    let refused = world.store.set_fence(fence, &claim).await;
    assert!(
        matches!(refused, Err(super::FenceError::ServersRun)),
        "{refused:?}"
    );
    let kept = world.store.fence_of_database().await.unwrap();
    assert_eq!(kept, "100ms".parse().unwrap());
    world.drop().await;
}

pub(super) fn client() -> Client {
    let change = ChangeContext {
        tenant: tenant(),
        actor: actor(),
        now: Timestamp::from_micros(1),
        seed: SecretSeed::from_bytes([7; SecretSeed::LEN]),
    };
    let draft = ClientDraft {
        app_type: "web".to_owned(),
        client_name: Some("a client".to_owned()),
        ..ClientDraft::default()
    };
    Client::register(id(1), draft, &change).unwrap().0
}

/// Begins a transaction that may write.
async fn begin_write(store: &Store) -> Result<super::transaction::Transaction, StoreError> {
    store.begin_write(store.writer().await?).await
}

pub(super) fn tenant() -> TenantId {
    TenantId::parse("acme").unwrap()
}

pub(super) fn actor() -> Subject {
    Subject::parse("somebody").unwrap()
}

#[tokio::test]
async fn memory_is_not_read_while_a_transaction_of_unknown_outcome_may_still_be_committed() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&DatabaseUrl::sqlite_file(&dir.path().join("test.db"))).await;
    let (store, mut watch) = store.with_cache(1 << 20).await.unwrap();
    let watching = tokio::spawn(async move { watch.run().await });
    store
        .insert_client(&tenant(), &client(), &actor().into())
        .await
        .unwrap();
    let is_remembered = async || {
        store.get_client(&tenant(), &id(1)).await.unwrap();
        store.remembered(&id(1)).await.is_some()
    };
    assert!(is_remembered().await);

    // The transaction goes on, without anybody who waits for it.
    let abandoned = begin_write(&store).await.unwrap();
    store.cache.changed(&id(2), false);
    for _ in 0..3 {
        assert!(!is_remembered().await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    abandoned.end(Ok::<_, StoreError>(())).await.unwrap();
    let settled = async {
        while !is_remembered().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), settled)
        .await
        .unwrap();
    watching.abort();
}

#[tokio::test]
async fn a_client_is_dropped_from_memory_also_if_its_change_is_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&DatabaseUrl::sqlite_file(&dir.path().join("test.db"))).await;
    let (store, watch) = store.with_cache(1 << 20).await.unwrap();
    store
        .insert_client(&tenant(), &client(), &actor().into())
        .await
        .unwrap();
    store.get_client(&tenant(), &id(1)).await.unwrap();
    assert!(store.remembered(&id(1)).await.is_some());
    let (tenant, author, id) = (tenant(), actor().into(), id(1));
    let change = |client: &mut Client| {
        client.revision = client.revision.next();
        client.disable_tag = Some("misused".to_owned());
        Ok::<_, std::convert::Infallible>(())
    };
    let kind = ChangeType::Disabled;
    let update = store.update_client(&tenant, &id, kind, &author, change);
    // It has begun, and ends without anybody who waits for it.
    assert!(tokio::time::timeout(Duration::ZERO, update).await.is_err());
    let dropped = async {
        while store.remembered(&id).await.is_some() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), dropped)
        .await
        .unwrap();
    drop(watch);
}
