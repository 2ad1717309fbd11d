//! Faults of SQLite: whatever fails in whatever order, a write that was acknowledged can be read by another process, at once
//! and after a restart.

use std::{collections::HashMap, path::Path, time::Duration};

use proptest::{prelude::*, test_runner::TestRunner};
use sea_orm::{
    ConnectionTrait as _,
    sqlx::{self, Connection as _, Row as _, SqliteConnection, sqlite::SqliteConnectOptions},
};
use tempfile::TempDir;
use uuid::Uuid;

use super::{AssertionUse, Claim, DatabaseUrl, Store};
use crate::domain::{
    assertion::UsedAssertion,
    change_type::ChangeType,
    client::{ChangeContext, ChangeError, Client},
    ids::{ClientId, Subject, TenantId},
    metadata::ClientDraft,
    secret::SecretSeed,
    timestamp::Timestamp,
};

/// Triggers that fail for certain names of clients, and first bytes of the digests of assertions: in a statement, with and
/// without ending the transaction, and in the commit.
const TRAPS: &str = "
    CREATE TABLE parent (id INTEGER PRIMARY KEY);
    CREATE TABLE child (id INTEGER REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED);
    CREATE TRIGGER insert_rollback BEFORE INSERT ON oauth_clients WHEN new.client_name LIKE 'rollback%'
        BEGIN SELECT RAISE(ROLLBACK, 'trap'); END;
    CREATE TRIGGER insert_abort AFTER INSERT ON oauth_clients WHEN new.client_name LIKE 'abort%'
        BEGIN SELECT RAISE(ABORT, 'trap'); END;
    CREATE TRIGGER insert_fail AFTER INSERT ON oauth_clients WHEN new.client_name LIKE 'fail%'
        BEGIN SELECT RAISE(FAIL, 'trap'); END;
    CREATE TRIGGER insert_commit AFTER INSERT ON oauth_clients WHEN new.client_name LIKE 'commit%'
        BEGIN INSERT INTO child VALUES (1); END;
    CREATE TRIGGER update_rollback BEFORE UPDATE ON oauth_clients WHEN new.client_name LIKE 'rollback%'
        BEGIN SELECT RAISE(ROLLBACK, 'trap'); END;
    CREATE TRIGGER update_abort AFTER UPDATE ON oauth_clients WHEN new.client_name LIKE 'abort%'
        BEGIN SELECT RAISE(ABORT, 'trap'); END;
    CREATE TRIGGER update_fail AFTER UPDATE ON oauth_clients WHEN new.client_name LIKE 'fail%'
        BEGIN SELECT RAISE(FAIL, 'trap'); END;
    CREATE TRIGGER update_commit AFTER UPDATE ON oauth_clients WHEN new.client_name LIKE 'commit%'
        BEGIN INSERT INTO child VALUES (1); END;
    CREATE TRIGGER used_rollback BEFORE INSERT ON used_assertions WHEN substr(new.jti_digest, 1, 1) = x'01'
        BEGIN SELECT RAISE(ROLLBACK, 'trap'); END;
    CREATE TRIGGER used_fail AFTER INSERT ON used_assertions WHEN substr(new.jti_digest, 1, 1) = x'02'
        BEGIN SELECT RAISE(FAIL, 'trap'); END;
    CREATE TRIGGER used_commit AFTER INSERT ON used_assertions WHEN substr(new.jti_digest, 1, 1) = x'03'
        BEGIN INSERT INTO child VALUES (1); END;
";

/// A fault during a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Nothing,
    /// A trigger ends the transaction, as a full disk does.
    Rollback,
    /// A trigger undoes the statement.
    Abort,
    /// A trigger fails, and what the statement did so far stays.
    Fail,
    /// The commit fails, and leaves the transaction open.
    Commit,
    /// From now on, there is no room for another page on this connection.
    Full,
    /// Another process holds the write lock.
    Busy,
    /// The request is given up after so many microseconds.
    Abandoned(u64),
}

impl Fault {
    fn name(self) -> &'static str {
        match self {
            Self::Rollback => "rollback",
            Self::Abort => "abort",
            Self::Fail => "fail",
            Self::Commit => "commit",
            Self::Nothing | Self::Full | Self::Busy | Self::Abandoned(_) => "good",
        }
    }

    fn digest(self, serial: u32) -> [u8; 32] {
        let mut digest = [0; 32];
        digest[0] = match self {
            Self::Rollback => 1,
            Self::Abort | Self::Fail => 2,
            Self::Commit => 3,
            Self::Nothing | Self::Full | Self::Busy | Self::Abandoned(_) => 4,
        };
        digest[1..5].copy_from_slice(&serial.to_be_bytes());
        digest
    }
}

#[derive(Debug, Clone, Copy)]
enum Write {
    Create,
    Rename,
    UseAssertion,
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        3 => Just(Fault::Nothing),
        1 => Just(Fault::Rollback),
        1 => Just(Fault::Abort),
        1 => Just(Fault::Fail),
        1 => Just(Fault::Commit),
        2 => Just(Fault::Full),
        1 => Just(Fault::Busy),
        1 => (0_u64..3_000).prop_map(Fault::Abandoned),
    ]
}

fn write() -> impl Strategy<Value = Write> {
    prop_oneof![
        Just(Write::Create),
        Just(Write::Rename),
        Just(Write::UseAssertion)
    ]
}

/// A store on a file of its own, and a connection that reads the file as another process would.
struct World {
    dir: TempDir,
    store: Store,
    other: SqliteConnection,
    tenant: TenantId,
    /// The acknowledged clients, with the names that each may have.
    clients: HashMap<ClientId, Vec<String>>,
    /// The digests of the acknowledged uses of assertions.
    used: Vec<[u8; 32]>,
    serial: u32,
}

impl World {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path()).await;
        let mut other = other(dir.path()).await;
        sqlx::raw_sql(TRAPS).execute(&mut other).await.unwrap();
        Self {
            dir,
            store,
            other,
            tenant: TenantId::parse("acme").unwrap(),
            clients: HashMap::new(),
            used: Vec::new(),
            serial: 0,
        }
    }

    /// Makes SQLite find no room for another page.
    async fn fill_disk(&self) {
        let writer = self.store.pools.writers.get().await.unwrap();
        writer
            .execute_unprepared("PRAGMA max_page_count = 1")
            .await
            .unwrap();
    }

    /// Attempts a write, and checks that every acknowledged write is there.
    async fn attempt(&mut self, write: Write, fault: Fault) {
        self.serial += 1;
        if fault == Fault::Full {
            self.fill_disk().await;
        }
        if fault == Fault::Busy {
            let writer = self.store.pools.writers.get().await.unwrap();
            writer
                .execute_unprepared("PRAGMA busy_timeout = 5")
                .await
                .unwrap();
            drop(writer);
            sqlx::raw_sql("BEGIN IMMEDIATE")
                .execute(&mut self.other)
                .await
                .unwrap();
        }
        match write {
            Write::Create => self.create(fault).await,
            Write::Rename => self.rename(fault).await,
            Write::UseAssertion => self.use_assertion(fault).await,
        }
        if fault == Fault::Busy {
            sqlx::raw_sql("ROLLBACK").execute(&mut self.other).await.unwrap();
        }
        self.verify().await;
    }

    async fn create(&mut self, fault: Fault) {
        let name = format!("{} {}", fault.name(), self.serial);
        let client = client(&self.tenant, &name, self.serial);
        let author = actor().into();
        let insert = self.store.insert_client(&self.tenant, &client, &author);
        if let Some(Ok(())) = waiting(fault, insert).await {
            self.clients.insert(client.id, vec![name]);
        }
    }

    async fn rename(&mut self, fault: Fault) {
        let ids: Vec<ClientId> = self.clients.keys().cloned().collect();
        let Some(id) = ids.get(self.serial as usize % ids.len().max(1)) else {
            return;
        };
        let name = format!("{} {}", fault.name(), self.serial);
        let renamed = name.clone();
        let change = move |client: &mut Client| {
            let mut metadata = client.metadata.clone().into_draft();
            metadata.client_name = Some(renamed);
            // The row needs more room each time.
            metadata.description = Some("long ".repeat(400));
            client.metadata = metadata.verify().unwrap();
            client.revision = client.revision.next();
            Ok::<_, ChangeError>(())
        };
        let author = actor().into();
        let update = self
            .store
            .update_client(&self.tenant, id, ChangeType::Updated, &author, change);
        let outcome = waiting(fault, update).await;
        let names = self.clients.get_mut(id).unwrap();
        match outcome {
            Some(Ok(())) => *names = vec![name],
            // A write without an acknowledgement may be there all the same.
            Some(Err(_)) | None => names.push(name),
        }
    }

    async fn use_assertion(&mut self, fault: Fault) {
        let digest = fault.digest(self.serial);
        let assertion = UsedAssertion {
            digest,
            expires_at: Timestamp::from_seconds(4e9),
        };
        let id = ClientId::from_uuid(Uuid::from_u128(1));
        let outcome = waiting(fault, self.store.use_assertion(&self.tenant, &id, &assertion)).await;
        if let Some(Ok(outcome)) = outcome {
            assert_eq!(outcome, AssertionUse::First);
            self.used.push(digest);
        }
    }

    async fn verify(&mut self) {
        let rows = sqlx::query("SELECT client_id, client_name FROM oauth_clients");
        let rows = rows.fetch_all(&mut self.other).await.unwrap();
        let names: HashMap<String, String> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        for (id, allowed) in &self.clients {
            let name = names.get(id.as_str()).expect("an acknowledged client is there");
            assert!(allowed.contains(name), "{name} is not one of {allowed:?}");
        }
        let rows = sqlx::query("SELECT jti_digest FROM used_assertions");
        let rows = rows.fetch_all(&mut self.other).await.unwrap();
        let used: Vec<Vec<u8>> = rows.iter().map(|row| row.get(0)).collect();
        for digest in &self.used {
            assert!(used.contains(&digest.to_vec()), "an acknowledged use is there");
        }
    }

    async fn restart(mut self) -> Self {
        self.store.close().await;
        self.store = open(self.dir.path()).await;
        self
    }
}

/// Waits for a write, unless it is given up.
async fn waiting<T>(fault: Fault, write: impl Future<Output = T>) -> Option<T> {
    let patience = match fault {
        Fault::Abandoned(micros) => Duration::from_micros(micros),
        _ => Duration::from_mins(1),
    };
    tokio::time::timeout(patience, write).await.ok()
}

fn url(dir: &Path) -> DatabaseUrl {
    DatabaseUrl::sqlite_file(&dir.join("test.db"))
}

async fn open(dir: &Path) -> Store {
    let url = url(dir);
    let claim = Claim::acquire(&url, None).await.unwrap();
    let store = Store::connect(&url, None).await.unwrap();
    store.migrate(&claim).await.unwrap();
    store
}

async fn other(dir: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new()
        .filename(dir.join("test.db"))
        .foreign_keys(false);
    SqliteConnection::connect_with(&options).await.unwrap()
}

fn client(tenant: &TenantId, name: &str, serial: u32) -> Client {
    let change = ChangeContext {
        tenant: tenant.clone(),
        actor: actor(),
        now: Timestamp::from_micros(i64::from(serial)),
        seed: SecretSeed::from_bytes([7; SecretSeed::LEN]),
    };
    let draft = ClientDraft {
        app_type: "web".to_owned(),
        client_name: Some(name.to_owned()),
        ..ClientDraft::default()
    };
    let id = ClientId::from_uuid(Uuid::from_u128(u128::from(serial) << 64 | 0x7abc));
    Client::register(id, draft, &change).unwrap().0
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

#[test]
fn an_acknowledged_write_is_there_whatever_fails() {
    let writes = prop::collection::vec((write(), fault()), 1..25);
    let mut runner = TestRunner::new(ProptestConfig::with_cases(24));
    let outcome = runner.run(&writes, |writes| {
        runtime().block_on(async {
            let mut world = World::new().await;
            for (write, fault) in writes {
                world.attempt(write, fault).await;
            }
            let mut world = world.restart().await;
            world.verify().await;
            // The service recovers by itself.
            for write in [Write::Create, Write::Rename, Write::UseAssertion] {
                let before = (world.clients.len(), world.used.len());
                world.attempt(write, Fault::Nothing).await;
                let after = (world.clients.len(), world.used.len());
                assert!(after > before || matches!(write, Write::Rename));
            }
        });
        Ok(())
    });
    outcome.unwrap();
}

#[tokio::test]
async fn every_fault_is_met() {
    let mut world = World::new().await;
    for _ in 0..3 {
        world.attempt(Write::Create, Fault::Nothing).await;
    }
    let before = (world.clients.len(), world.used.len());
    for fault in [
        Fault::Rollback,
        Fault::Abort,
        Fault::Fail,
        Fault::Commit,
        Fault::Busy,
    ] {
        for write in [Write::Create, Write::Rename, Write::UseAssertion] {
            world.attempt(write, fault).await;
            let after = (world.clients.len(), world.used.len());
            assert_eq!(after, before, "{write:?} is not acknowledged under {fault:?}");
        }
    }
    // Pages that exist have room left, but not for long.
    let mut refused = 0;
    for _ in 0..50 {
        let before = world.clients.len();
        world.attempt(Write::Create, Fault::Full).await;
        refused += usize::from(world.clients.len() == before);
    }
    assert!(refused > 5, "the disk is full: {refused}");
    let before = world.clients.len();
    world.attempt(Write::Create, Fault::Nothing).await;
    assert_eq!(world.clients.len(), before + 1, "there is room again");
}

#[tokio::test]
async fn a_connection_that_lost_its_transaction_is_dropped() {
    let world = World::new().await;
    let transaction = begin_write(&world.store).await.unwrap();
    // Unknown to the service, as SQLite does when the disk is full.
    transaction.execute_unprepared("ROLLBACK").await.unwrap();
    let ended = transaction.end(Ok::<_, super::StoreError>(())).await;
    assert!(ended.is_err(), "there was nothing to commit");

    let writer = world.store.pools.writers.get().await.unwrap();
    writer.execute_unprepared("BEGIN IMMEDIATE").await.unwrap();
    // It is returned with an open transaction.
    drop(writer);
    assert!(
        begin_write(&world.store).await.is_err(),
        "no transaction inside another"
    );
    let transaction = begin_write(&world.store).await.unwrap();
    transaction.end(Ok::<_, super::StoreError>(())).await.unwrap();
}

async fn begin_write(store: &Store) -> Result<super::transaction::Transaction, super::StoreError> {
    store.begin_write(store.writer().await?).await
}

fn actor() -> Subject {
    Subject::parse("somebody").unwrap()
}
