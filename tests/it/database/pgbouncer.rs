//! PostgreSQL behind PgBouncer: everything works if each connection has a session of its own; otherwise the server names the
//! setting that it needs.

use std::{num::NonZeroU32, pin::pin};

use futures_util::future::{join_all, select};
use oauth_clients::store::{Store, StoreError, Unsuitable};
use sea_orm::sqlx::{self, Connection as _, PgConnection, Row as _, postgres::PgConnectOptions};
use serde_json::json;

use crate::support::{
    Db, TestServer, Transport, eventually,
    pgbouncer::PgBouncer,
    process::{Ended, Served, run},
    samples::web,
};

const SESSION: &[(&str, &str)] = &[("pool_mode", "session")];

/// A database, and a PgBouncer in front of it.
async fn behind_pooler(settings: &[(&str, &str)]) -> Option<(Db, PgBouncer)> {
    let db = Db::postgres().await?;
    let pooler = PgBouncer::start(&db, settings).await?;
    Some((db, pooler))
}

/// Another client of the pooler.
async fn connect(pooler: &PgBouncer, db: &Db) -> PgConnection {
    let options: PgConnectOptions = pooler.url(db).parse().unwrap();
    // PgBouncer refuses this parameter by default.
    let options = options.extra_float_digits(None);
    PgConnection::connect_with(&options).await.unwrap()
}

async fn text(connection: &mut PgConnection, sql: &'static str) -> String {
    let row = sqlx::raw_sql(sql).fetch_one(connection).await.unwrap();
    row.get(0)
}

async fn migrate(url: &str) -> Ended {
    run(&["migrate", "up", "--database-url", url]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_works_in_session_mode() {
    let Some((db, pooler)) = behind_pooler(SESSION).await else {
        return;
    };
    let url = pooler.url(&db);
    let ended = migrate(&url).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let server = TestServer::start_with(db, |config| {
        config.database_url = url.parse().unwrap();
        config.migrate = false;
    })
    .await;
    let admin = server.admin();
    for transport in Transport::BOTH {
        let client = admin.create(transport, web()).await;
        let id = client["clientId"].as_str().unwrap();
        let rename = json!([{"op": "add", "path": "/clientName", "value": format!("{transport:?}")}]);
        admin.patch(transport, id, rename).await.unwrap();
        assert_eq!(
            admin.get(transport, id).await.unwrap()["clientName"],
            format!("{transport:?}")
        );
        let filter = json!({"filter": format!("clientName eq \"{transport:?}\"")});
        let page = admin.list(transport, filter).await.unwrap();
        assert_eq!(page["data"][0]["clientId"], id);
        for outcome in join_all((0..50).map(|_| admin.get(transport, id))).await {
            outcome.unwrap();
        }
        admin.delete(transport, id, id).await.unwrap();
    }
}

/// Settings with which connections share sessions. With few sessions, a connection often gets the same one again.
const SHARING: &[&[(&str, &str)]] = &[
    &[("pool_mode", "transaction"), ("default_pool_size", "1")],
    &[("pool_mode", "transaction"), ("default_pool_size", "2")],
    &[("pool_mode", "transaction")],
    &[("pool_mode", "transaction"), ("server_reset_query_always", "1")],
    &[("pool_mode", "statement")],
    &[("pool_mode", "session"), ("server_reset_query", "")],
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_that_shares_sessions_is_refused_with_the_setting_that_it_needs() {
    for settings in SHARING {
        let Some((db, pooler)) = behind_pooler(settings).await else {
            return;
        };
        let url = pooler.url(&db);
        let dir = tempfile::tempdir().unwrap();
        let data_dir = dir.path().to_str().unwrap();
        let serve = [
            "serve",
            "--dev",
            "--data-dir",
            data_dir,
            "--migrate",
            "--database-url",
            &url,
        ];
        for ended in [migrate(&url).await, run(&serve).await] {
            assert_eq!(ended.code, Some(1), "{settings:?}: {ended:?}");
            assert!(
                ended.stderr.contains("pool_mode = session"),
                "{settings:?}: {ended:?}"
            );
        }
        let tables = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'";
        assert_eq!(db.number(tables).await, 0, "{settings:?}: nothing was written");
        let mut next = connect(&pooler, &db).await;
        let limit = text(&mut next, "SHOW statement_timeout").await;
        assert_eq!(
            limit, "0",
            "{settings:?}: the next user of the session is left alone"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_that_shares_sessions_is_recognised_however_busy_it_is() {
    for settings in SHARING {
        let Some((db, pooler)) = behind_pooler(settings).await else {
            return;
        };
        let url = pooler.url(&db).parse().unwrap();
        let others = join_all((0..8).map(async |_| {
            let mut connection = connect(&pooler, &db).await;
            loop {
                text(&mut connection, "SELECT pg_sleep(random() * 0.005)::text").await;
            }
        }));
        let checks = async {
            for _ in 0..20 {
                let error = Store::connect(&url, None).await.unwrap_err();
                assert!(
                    matches!(error, StoreError::Unsuitable(Unsuitable::TransactionPooling)),
                    "{settings:?}: {error:?}"
                );
            }
        };
        select(pin!(checks), pin!(others)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_sessions_are_enough_for_a_server_that_opens_one_connection() {
    // One for requests, one that looks for changes, and one for the probe.
    let three = [("pool_mode", "session"), ("default_pool_size", "3")];
    let Some((db, pooler)) = behind_pooler(&three).await else {
        return;
    };
    let url = pooler.url(&db);
    let server = TestServer::start_with(db, |config| {
        config.database_url = url.parse().unwrap();
        config.database_connections = NonZeroU32::new(1);
    })
    .await;
    let admin = server.admin();
    let id = admin.created(web()).await;
    let calls = join_all((0..20).map(|_| admin.get(Transport::Grpc, &id))).await;
    assert!(calls.iter().all(Result::is_ok), "{calls:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_that_begins_to_share_sessions_makes_calls_unavailable() {
    let Some((db, mut pooler)) = behind_pooler(SESSION).await else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let url = pooler.url(&db);
    let args = ["--migrate", "--database-url", &url, "--tier1-per-minute", "0"];
    let served = Served::start(dir.path(), &args).await;
    let transports = served.transports();
    let admin = transports.caller(Some(served.token_of("acme")));
    let id = admin.created(web()).await;
    pooler
        .restart_with(&db, &[("pool_mode", "transaction"), ("default_pool_size", "1")])
        .await;
    let calls = async || {
        let calls = (0..20).map(|number| admin.get(Transport::BOTH[number % 2], &id));
        let refused = join_all(calls).await.into_iter().filter_map(Result::err);
        refused.flat_map(|refused| refused.errors).collect::<Vec<_>>()
    };
    eventually("the log names the setting", async || {
        for (code, text) in calls().await {
            assert_eq!(code, "UNAVAILABLE", "{text}");
        }
        served.log().contains("pool_mode = session").then_some(())
    })
    .await;
}
