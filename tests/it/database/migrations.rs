//! The schema: migrations up, down and up again, concurrently, and between versions.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use oauth_clients::server::{Server, ServerError};
use oauth_clients_migrations::{Migrator, MigratorTrait as _};
use sea_orm::{ConnectionTrait as _, DatabaseConnection};
use serde_json::json;

use crate::support::{
    Db, TestServer, Transport,
    authn::{id_of, secret_of},
    process::{command, run, serve_dev, terminate},
    samples::{spa, web},
    server::config,
};

on_each_database![
    every_step_goes_up_and_down_and_up_again,
    repeated_and_concurrent_migrations_apply_each_step_once,
    a_migration_that_was_killed_can_be_run_again,
    a_newer_schema_stops_neither_running_nor_starting_servers,
    clients_survive_a_restart,
];

async fn pending(connection: &DatabaseConnection) -> usize {
    Migrator::get_pending_migrations(connection).await.unwrap().len()
}

async fn every_step_goes_up_and_down_and_up_again(db: Db) {
    let all = u32::try_from(Migrator::migrations().len()).unwrap();
    let connection = db.connect().await;
    for steps in 1..=all {
        Migrator::up(&connection, None).await.unwrap();
        assert_eq!(pending(&connection).await, 0);
        Migrator::down(&connection, Some(steps)).await.unwrap();
        assert_eq!(pending(&connection).await, steps as usize);
    }
    assert_eq!(pending(&connection).await, all as usize);
    for _ in 0..all {
        Migrator::up(&connection, Some(1)).await.unwrap();
    }
    connection.close().await.unwrap();
    let server = TestServer::start(db).await;
    let id = server.admin().created(web()).await;
    server.admin().delete(Transport::Rest, &id, &id).await.unwrap();
}

async fn repeated_and_concurrent_migrations_apply_each_step_once(db: Db) {
    let up = ["migrate", "up", "--database-url", db.text()];
    for _ in 0..2 {
        let migrating = (0..4).map(|_| run(&up));
        for ended in join_all(migrating).await {
            assert_eq!(ended.code, Some(0), "{ended:?}");
        }
    }
    let applied = db.number("SELECT count(*) FROM seaql_migrations").await;
    assert_eq!(usize::try_from(applied), Ok(Migrator::migrations().len()));
}

async fn a_migration_that_was_killed_can_be_run_again(db: Db) {
    // Long enough for some to be killed before the first statement, and some after the last.
    for milliseconds in (0..90).step_by(3) {
        let fresh = db.another().await;
        let mut migrating = command(&["migrate", "up", "--database-url", fresh.text()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        migrating.kill().await.unwrap();
        let ended = run(&["migrate", "up", "--database-url", fresh.text()]).await;
        assert_eq!(ended.code, Some(0), "killed after {milliseconds} ms: {ended:?}");
        let states = ended.stdout.lines().filter(|line| line.starts_with("applied "));
        assert_eq!(states.count(), Migrator::migrations().len(), "{}", ended.stdout);
    }
}

/// Changes the schema as the next version may: by additions only.
const NEXT_VERSION: &str = "
    ALTER TABLE oauth_clients ADD COLUMN of_the_next_version TEXT;
    ALTER TABLE oauth_client_secrets ADD COLUMN of_the_next_version BIGINT NOT NULL DEFAULT 0;
    CREATE INDEX of_the_next_version_idx ON oauth_clients (tenant_id, of_the_next_version);
    CREATE TABLE of_the_next_version (tenant_id TEXT NOT NULL);
    INSERT INTO seaql_migrations (version, applied_at) VALUES ('m29990101_000001_next_version', 0);
";

async fn a_newer_schema_stops_neither_running_nor_starting_servers(server: TestServer) {
    let id = server.admin().created(web()).await;
    server.db.execute(NEXT_VERSION).await;
    // Longer than the interval of the readiness probe.
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert_eq!(server.caller(None).http_get("/readyz").await.status, 200);
    everything_works(&server, &id).await;
    let db = server.stop().await;

    for action in ["up", "status", "up"] {
        let ended = run(&["migrate", action, "--database-url", db.text()]).await;
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{action}");
        for part in [
            "newer m29990101_000001_next_version\n",
            "the schema is newer than this version",
        ] {
            assert!(ended.stdout.contains(part), "{action}: {}", ended.stdout);
        }
        assert!(!ended.stdout.contains("missing"), "{action}: {}", ended.stdout);
    }
    let server = TestServer::start(db).await;
    assert_eq!(server.caller(None).http_get("/readyz").await.status, 200);
    everything_works(&server, &id).await;
}

async fn everything_works(server: &TestServer, id: &str) {
    let admin = server.admin();
    for transport in Transport::BOTH {
        let created = admin.create(transport, web()).await;
        let (new, secret) = (id_of(&created), secret_of(&created));
        assert!(server.platform().takes_secret(new, &secret).await);
        let rename = json!([{"op": "replace", "path": "/clientName", "value": "renamed"}]);
        for id in [new, id] {
            admin.patch(transport, id, rename.clone()).await.unwrap();
            assert_eq!(admin.get(transport, id).await.unwrap()["clientName"], "renamed");
        }
        let made = admin.create_secret(transport, new).await.unwrap();
        let hint = made["hint"].as_str().unwrap();
        admin.delete_secret(transport, new, hint).await.unwrap();
        let filter = json!({"filter": r#"clientName eq "renamed""#});
        assert_eq!(
            admin.list(transport, filter).await.unwrap()["data"]
                .as_array()
                .unwrap()
                .len(),
            2
        );
        admin.delete(transport, new, new).await.unwrap();
    }
}

async fn clients_survive_a_restart(server: TestServer) {
    let id = server.admin().created(spa()).await;
    let before = server.admin().stored(&id).await;
    let server = TestServer::start(server.stop().await).await;
    assert_eq!(server.admin().stored(&id).await, before);
}

#[tokio::test]
async fn postgresql_is_migrated_only_if_configured() {
    let Some(db) = Db::postgres().await else {
        return;
    };
    let data_dir = tempfile::tempdir().unwrap();
    let mut unmigrated = config(&db, data_dir.path());
    unmigrated.migrate = false;
    let error = Server::bind(unmigrated.clone()).await.unwrap_err();
    assert!(matches!(error, ServerError::NotMigrated { .. }), "{error}");
    assert!(error.to_string().contains("migrate up"), "{error}");
    assert!(
        !error.to_string().contains("postgres@"),
        "a user is named: {error}"
    );
    let tables = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'";
    assert_eq!(db.number(tables).await, 0, "nothing was written");

    drop(Server::bind(config(&db, data_dir.path())).await.unwrap());
    Server::bind(unmigrated)
        .await
        .expect("a migrated schema is accepted");
}

/// Holds the lock as another process that migrates does.
async fn hold_migration_lock(db: &Db) -> DatabaseConnection {
    let connection = db.connect().await;
    let lock = "SELECT pg_advisory_lock(8025825153778936937)";
    connection.execute_unprepared(lock).await.unwrap();
    connection
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_waiting_migration_does_not_block_a_concurrent_index() {
    let Some(db) = Db::postgres().await else {
        return;
    };
    let other = hold_migration_lock(&db).await;
    other
        .execute_unprepared("CREATE TABLE large (n BIGINT)")
        .await
        .unwrap();
    let mut waiting = command(&["migrate", "up", "--database-url", db.text()])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let index = "CREATE INDEX CONCURRENTLY large_n_idx ON large (n)";
    let built = tokio::time::timeout(Duration::from_secs(5), other.execute_unprepared(index)).await;
    built.expect("nothing waits for the other").unwrap();
    assert!(waiting.try_wait().unwrap().is_none(), "it waits for the lock");
    other.close().await.unwrap();
    assert_eq!(waiting.wait().await.unwrap().code(), Some(0));
    db.number("SELECT count(*) FROM oauth_clients").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_waits_to_migrate_can_be_stopped() {
    let Some(db) = Db::postgres().await else {
        return;
    };
    let other = hold_migration_lock(&db).await;
    let dir = tempfile::tempdir().unwrap();
    let args = [
        &serve_dev(dir.path())[..],
        &["--migrate", "--database-url", db.text()],
    ]
    .concat();
    let mut waiting = command(&args).stderr(Stdio::null()).spawn().unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let started = Instant::now();
    terminate(&waiting).await;
    assert_eq!(waiting.wait().await.unwrap().code(), Some(0));
    assert!(
        started.elapsed() < Duration::from_secs(3),
        "{:?}",
        started.elapsed()
    );
    other.close().await.unwrap();
}
