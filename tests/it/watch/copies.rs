//! Consumers that keep a copy, while many write, streams are cut off and a server is killed: each has every revision of
//! every client in order, and in the end what the database has.

use std::{
    collections::HashMap,
    env,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{
    Caller, Db, Transport,
    caller::Transports,
    process::Served,
    samples::spa,
    watching::{token_of, try_next},
};

const CLIENTS: usize = 200;
const WRITERS: usize = 16;
const WATCHERS: usize = 4;
/// The longest time until a consumer has everything, on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// Delays each commit for up to 50 ms after its statements.
const LATE_COMMITS: &str = "\
    CREATE FUNCTION delay() RETURNS trigger LANGUAGE plpgsql AS \
    'BEGIN PERFORM pg_sleep(random() * 0.05); RETURN NULL; END'; \
    CREATE CONSTRAINT TRIGGER delay AFTER INSERT ON oauth_client_changes DEFERRABLE INITIALLY DEFERRED \
    FOR EACH ROW EXECUTE FUNCTION delay()";

/// A server that may be killed, and then is reached at another address.
struct Replica {
    reached: Mutex<(Arc<Transports>, String)>,
}

impl Replica {
    fn of(served: &Served) -> Self {
        Self {
            reached: Mutex::new((Arc::new(served.transports()), served.token_of("acme"))),
        }
    }

    fn moved_to(&self, served: &Served) {
        *self.reached.lock().unwrap() = (Arc::new(served.transports()), served.token_of("acme"));
    }

    fn reached(&self) -> (Arc<Transports>, String) {
        self.reached.lock().unwrap().clone()
    }
}

/// What the writers and the consumers share.
struct World {
    replicas: Vec<Replica>,
    ids: Vec<String>,
    is_over: AtomicBool,
    written: AtomicUsize,
    /// The revision of each client, once nobody writes any more.
    expected: Mutex<Option<HashMap<String, i64>>>,
}

/// The copy of a consumer.
#[derive(Default)]
struct Copy {
    clients: HashMap<String, Value>,
    revisions: HashMap<String, i64>,
    streams: usize,
    again: usize,
}

/// Returns a number below another.
fn random(below: usize) -> usize {
    usize::try_from((Uuid::now_v7().as_u128() & u128::from(u32::MAX)) % below as u128).unwrap()
}

async fn serve(data_dir: &Path, db: &Db) -> Served {
    let args = [
        "--database-url",
        db.text(),
        "--migrate",
        "--tier1-per-minute",
        "0",
        "--tier2-per-minute",
        "0",
    ];
    Served::start(data_dir, &args).await
}

impl World {
    /// Changes clients, on any replica, until it is over. A server that was killed is no reason to stop.
    async fn write(&self) {
        while !self.is_over.load(Ordering::Relaxed) {
            let (transports, token) = self.replicas[random(self.replicas.len())].reached();
            let caller = transports.caller(Some(token));
            let id = &self.ids[random(self.ids.len())];
            let text = Uuid::now_v7().to_string();
            let changed = match random(3) {
                0 => caller.try_call("DisableOAuthClient", json!({"clientId": id, "reason": text})),
                1 => caller.try_call("EnableOAuthClient", json!({"clientId": id})),
                _ => {
                    let rename = json!([{"op": "replace", "path": "/clientName", "value": text}]);
                    caller.try_call("PatchOAuthClient", json!({"clientId": id, "operations": rename}))
                }
            };
            let changed = changed.await;
            if changed {
                self.written.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Follows the changes on any replica and transport, cut off at random, until the copy is complete.
    async fn follow(&self, mut token: String) -> Copy {
        let mut copy = Copy::default();
        let began = Instant::now();
        while !self.is_complete(&copy) {
            assert!(began.elapsed() < PATIENCE, "the copy is not complete");
            let (transports, bearer) = self.replicas[random(self.replicas.len())].reached();
            let caller = transports.caller(Some(bearer));
            if let Some(last) = self.read(&caller, &token, &mut copy).await {
                token = last;
            } else {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        copy
    }

    /// Reads a stream for a while, and returns the last token.
    async fn read(&self, caller: &Caller<'_>, token: &str, copy: &mut Copy) -> Option<String> {
        let mut stream = caller.try_watch(json!({"resumeToken": token})).await?;
        copy.streams += 1;
        let mut last = None;
        let mut in_stream = HashMap::new();
        for _ in 0..=random(60) {
            let Some(message) = try_next(&mut stream).await else {
                break;
            };
            copy.apply(&message, &mut in_stream);
            last = Some(token_of(&message));
            if self.is_complete(copy) {
                break;
            }
        }
        last
    }

    fn is_complete(&self, copy: &Copy) -> bool {
        let expected = self.expected.lock().unwrap();
        expected
            .as_ref()
            .is_some_and(|expected| *expected == copy.revisions)
    }
}

impl Copy {
    fn apply(&mut self, message: &Value, in_stream: &mut HashMap<String, i64>) {
        let change = &message["change"]["change"];
        let Some(id) = change["clientId"].as_str() else {
            return;
        };
        let revision: i64 = change["revision"].as_str().unwrap().parse().unwrap();
        let before = in_stream.insert(id.to_owned(), revision);
        assert!(
            before.is_none_or(|before| before < revision),
            "{id} {before:?} {revision}"
        );
        // The clients were created before.
        let known = self.revisions.entry(id.to_owned()).or_insert(1);
        assert!(revision <= *known + 1, "{id}: {revision} after {known}");
        if revision <= *known {
            self.again += 1;
            return;
        }
        *known = revision;
        self.clients
            .insert(id.to_owned(), message["change"]["client"].clone());
    }
}

/// Returns the time for which clients are changed.
fn duration() -> Duration {
    let seconds = env::var("WATCH_SECONDS").ok();
    Duration::from_secs(seconds.map_or(6, |seconds| seconds.parse().unwrap()))
}

async fn consumers_have_what_the_database_has(db: &Db, replicas: usize) {
    let dirs: Vec<_> = (0..replicas).map(|_| tempfile::tempdir().unwrap()).collect();
    let mut served = Vec::new();
    for dir in &dirs {
        served.push(serve(dir.path(), db).await);
    }
    let (transports, token) = Replica::of(&served[0]).reached();
    let admin = transports.caller(Some(token));
    let mut ids = Vec::new();
    for _ in 0..CLIENTS {
        ids.push(admin.created(spa()).await);
    }
    let (_, begin) = admin.watch_now(Transport::Rest).await;
    if !db.is_sqlite() {
        db.execute(LATE_COMMITS).await;
    }
    let world = Arc::new(World {
        replicas: served.iter().map(Replica::of).collect(),
        ids,
        is_over: AtomicBool::new(false),
        written: AtomicUsize::new(0),
        expected: Mutex::new(None),
    });
    let writers = join_all((0..WRITERS).map(|_| world.write()));
    let watchers = join_all((0..WATCHERS).map(|_| {
        let (world, begin) = (world.clone(), begin.clone());
        async move {
            tokio::spawn(async move { world.follow(begin).await })
                .await
                .unwrap()
        }
    }));
    let supervise = async {
        tokio::time::sleep(duration() / 2).await;
        // It has written and is watched.
        served.pop().unwrap().kill().await;
        let again = serve(dirs[replicas - 1].path(), db).await;
        world.replicas[replicas - 1].moved_to(&again);
        served.push(again);
        tokio::time::sleep(duration() / 2).await;
        world.is_over.store(true, Ordering::Relaxed);
    };
    let finish = async {
        tokio::join!(writers, supervise);
        let newest = "SELECT client_id || ' ' || version FROM oauth_clients WHERE version > 1";
        let rows = db.texts(newest).await;
        let expected = rows.iter().map(|row| {
            let (id, version) = row.split_once(' ').unwrap();
            (id.to_owned(), version.parse().unwrap())
        });
        *world.expected.lock().unwrap() = Some(expected.collect());
    };
    let (copies, ()) = tokio::join!(watchers, finish);

    let (transports, token) = world.replicas[0].reached();
    let admin = transports.caller(Some(token));
    let mut states = HashMap::new();
    for id in copies[0].clients.keys() {
        states.insert(id.clone(), admin.stored(id).await);
    }
    let written = world.written.load(Ordering::Relaxed);
    for copy in &copies {
        assert_eq!(copy.clients, states);
        assert_eq!(copy.again, 0, "a token continues exactly after its message");
    }
    let streams: usize = copies.iter().map(|copy| copy.streams).sum();
    assert!(
        written >= 50 && streams >= 2 * WATCHERS,
        "{written} changes, {streams} streams"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consumers_of_two_replicas_have_what_postgres_has() {
    if let Some(db) = Db::postgres().await {
        consumers_have_what_the_database_has(&db, 2).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consumers_have_what_sqlite_has() {
    consumers_have_what_the_database_has(&Db::sqlite(), 1).await;
}
