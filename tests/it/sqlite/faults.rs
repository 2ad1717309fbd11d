//! Faults of a SQLite database: no lost write is ever acknowledged.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::{
    Caller, Db, Refused, TestServer, Transport, eventually,
    process::Served,
    samples::{spa, with},
};

fn rename(name: &str) -> Value {
    json!([{"op": "replace", "path": "/clientName", "value": name}])
}

/// Returns the name of a client as another process reads it.
async fn name_in_file(db: &str, id: &str) -> Option<String> {
    let names = format!("SELECT client_name FROM oauth_clients WHERE client_id = '{id}'");
    Db::file(db).texts(&names).await.pop()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_sqlite_ended_loses_no_later_write() {
    for transport in Transport::BOTH {
        let server = TestServer::start(Db::sqlite()).await;
        let admin = server.admin();
        let id = admin.created(spa()).await;
        // As on a full disk: one write ends the transaction behind the driver's back, and the next fails inside one.
        for (name, action) in [("rollback", "ROLLBACK"), ("abort", "ABORT")] {
            let trap = format!(
                "CREATE TRIGGER {name} BEFORE UPDATE ON oauth_clients WHEN new.client_name = '{name}' \
                 BEGIN SELECT RAISE({action}, 'trap'); END"
            );
            server.db.execute(&trap).await;
            let refused = admin.patch(transport, &id, rename(name)).await.unwrap_err();
            assert_eq!(refused.codes(), ["INTERNAL"]);
        }
        for name in ["first", "second"] {
            admin.patch(transport, &id, rename(name)).await.unwrap();
            let found = name_in_file(server.db.text(), &id).await;
            assert_eq!(found.as_deref(), Some(name), "another process reads it");
        }
        let server = TestServer::start(server.stop().await).await;
        assert_eq!(server.admin().stored(&id).await["clientName"], "second");
    }
}

/// Creates clients until one is refused, and returns the ids of the acknowledged ones.
async fn create_until_refused(admin: &Caller<'_>, transport: Transport) -> Vec<String> {
    let mut acknowledged = Vec::new();
    let large = with(spa(), json!({"description": "long ".repeat(400)}));
    for _ in 0..1_000 {
        match admin.call(transport, "CreateOAuthClient", large.clone()).await {
            Ok(client) => acknowledged.push(client["clientId"].as_str().unwrap().to_owned()),
            Err(refused) => {
                assert_eq!(refused.codes(), ["UNAVAILABLE"]);
                return acknowledged;
            }
        }
    }
    panic!("the disk never fills up");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_are_unavailable_while_the_disk_refuses_them() {
    let dir = tempfile::tempdir().unwrap();
    let served =
        Served::start_with_limit(dir.path(), 900, &["--log", "error", "--tier2-per-minute", "0"]).await;
    let db = format!("sqlite:{}", dir.path().join("oauth-clients.db").display());
    let transports = served.transports();
    let admin = transports.caller(Some(served.token.clone()));
    let mut acknowledged = create_until_refused(&admin, Transport::Rest).await;
    assert!(acknowledged.len() > 10, "{}", acknowledged.len());
    for transport in [Transport::Grpc, Transport::Rest, Transport::Grpc] {
        // Writes into existing pages may still succeed.
        acknowledged.extend(create_until_refused(&admin, transport).await);
    }
    assert_eq!(admin.http_get("/readyz").await.status, 200, "reading goes on");
    for id in &acknowledged {
        assert!(
            name_in_file(&db, id).await.is_some(),
            "another process reads {id}"
        );
    }
    served.lift_limit().await;
    let id = admin.created(spa()).await;
    admin
        .patch(Transport::Grpc, &id, rename("written"))
        .await
        .unwrap();
    acknowledged.push(id.clone());

    served.kill().await;
    let served = Served::start(dir.path(), &["--tier1-per-minute", "0"]).await;
    let transports = served.transports();
    let admin = transports.caller(Some(served.token.clone()));
    for id in &acknowledged {
        assert!(
            admin.get(Transport::Grpc, id).await.is_ok(),
            "{id} is there after a crash"
        );
    }
    assert_eq!(admin.stored(&id).await["clientName"], "written");
}

/// A way to replace or delete a file.
type Lose = fn(&Path);

fn assert_unavailable(refused: Result<Value, Refused>, what: &str) {
    assert_eq!(refused.unwrap_err().codes(), ["UNAVAILABLE"], "{what}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleted_or_replaced_files_accept_no_write() {
    let delete: Lose = |path| std::fs::remove_file(path).unwrap();
    let replace: Lose = |path| {
        let copy = path.with_extension("copy");
        std::fs::copy(path, &copy).unwrap();
        std::fs::rename(&copy, path).unwrap();
    };
    let cases: [(&str, Lose); 4] = [
        ("oauth-clients.db", delete),
        ("oauth-clients.db", replace),
        ("oauth-clients.db-wal", delete),
        ("oauth-clients.db-shm", delete),
    ];
    for (file, lose) in cases {
        let dir = tempfile::tempdir().unwrap();
        let served = Served::start(dir.path(), &[]).await;
        let transports = served.transports();
        let admin = transports.caller(Some(served.token.clone()));
        let id = admin.created(spa()).await;
        lose(&dir.path().join(file));
        for transport in Transport::BOTH {
            assert_unavailable(admin.patch(transport, &id, rename("lost")).await, file);
            assert_unavailable(admin.call(transport, "CreateOAuthClient", spa()).await, file);
        }
        eventually("it is not ready", async || {
            (admin.http_get("/readyz").await.status == 503).then_some(())
        })
        .await;
        let line = eventually("the log says so", async || {
            let log = served.log();
            let line = log.lines().find(|line| line.contains("\"ready\":false"));
            line.map(str::to_owned)
        })
        .await;
        assert!(
            line.contains(file) && line.contains("deleted or replaced"),
            "{line}"
        );
        if file == "oauth-clients.db" {
            assert!(
                !dir.path().join(file).exists()
                    || std::fs::metadata(dir.path().join(file)).unwrap().len() > 0,
                "no empty database is made in its place"
            );
        }
    }
}
