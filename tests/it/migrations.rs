//! The schema: step by step up, down and up again.

use oauth_clients::server::{Server, ServerError};
use oauth_clients_migrations::{Migrator, MigratorTrait as _};
use sea_orm::DatabaseConnection;

use crate::support::{
    Db, Door, TestServer,
    samples::{spa, web},
    server::config,
};

on_each_database![
    every_step_goes_up_and_down_and_up_again,
    migrating_twice_or_at_once_is_migrating_once,
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
    server.admin().delete(Door::Rest, &id, &id).await.unwrap();
}

async fn migrating_twice_or_at_once_is_migrating_once(db: Db) {
    let data_dir = tempfile::tempdir().unwrap();
    // SQLite has no lock across processes that would hold for a whole migration.
    let servers = if db.is_sqlite() { 1 } else { 4 };
    let starting = (0..servers).map(|_| Server::bind(config(&db, data_dir.path())));
    for server in futures_util::future::join_all(starting).await {
        server.unwrap();
    }
    Server::bind(config(&db, data_dir.path())).await.unwrap();
    let applied = db.number("SELECT count(*) FROM seaql_migrations").await;
    assert_eq!(usize::try_from(applied), Ok(Migrator::migrations().len()));
}

async fn clients_survive_a_restart(server: TestServer) {
    let id = server.admin().created(spa()).await;
    let before = server.admin().stored(&id).await;
    let server = TestServer::start(server.stop().await).await;
    assert_eq!(server.admin().stored(&id).await, before);
}

#[tokio::test]
async fn postgresql_is_not_migrated_unless_told_to() {
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
