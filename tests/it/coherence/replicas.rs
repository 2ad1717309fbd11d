//! Two replicas on one database: after each acknowledged change, no read on either is older.

use std::{
    collections::HashSet,
    env,
    io::Write as _,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{
    Db, TestServer, Transport,
    authn::{id_of, secret_of},
    samples::web,
};

/// A state of the client.
#[derive(Debug, Clone)]
struct State {
    name: String,
    is_disabled: bool,
    /// The hints and the secrets; `None` for one that is being created.
    secrets: Vec<Option<(String, String)>>,
}

/// The states of the client: each from the begin of the change that leads to it.
#[derive(Debug)]
struct History {
    states: Vec<State>,
    /// The index of the newest one that was acknowledged.
    acknowledged: usize,
}

/// The state that the readers and the writer share.
struct World {
    id: String,
    replicas: [TestServer; 2],
    history: Mutex<History>,
    is_over: AtomicBool,
    reads: AtomicU64,
}

impl State {
    fn is_shown(&self, client: &Value) -> bool {
        let hints: HashSet<&str> = client["clientSecrets"]
            .as_array()
            .unwrap()
            .iter()
            .map(|secret| secret["hint"].as_str().unwrap())
            .collect();
        client["clientName"] == self.name
            && client["disableTag"].is_string() == self.is_disabled
            && hints.len() == self.secrets.len()
            && self
                .secrets
                .iter()
                .flatten()
                .all(|(hint, _)| hints.contains(hint.as_str()))
    }

    fn accepts(&self, secret: &str) -> bool {
        !self.is_disabled && self.secrets.iter().flatten().any(|(_, other)| other == secret)
    }
}

impl World {
    /// Reads in one way, and checks that the outcome is of a state that is no older than what was acknowledged before, and
    /// whose change had begun.
    async fn check<T: std::fmt::Debug>(
        &self,
        read: impl Future<Output = T>,
        is_of: impl Fn(&State, &T) -> bool,
    ) {
        let acknowledged = self.history.lock().unwrap().acknowledged;
        let found = read.await;
        let history = self.history.lock().unwrap();
        let possible = &history.states[acknowledged..];
        assert!(
            possible.iter().any(|state| is_of(state, &found)),
            "{found:?} is none of {possible:?}"
        );
        self.reads.fetch_add(1, Ordering::Relaxed);
    }

    /// Reads in every way, until it is over.
    async fn read(&self, server: &TestServer) {
        let id = self.id.as_str();
        while !self.is_over.load(Ordering::Relaxed) {
            let (admin, platform) = (server.admin(), server.platform());
            for transport in Transport::BOTH {
                let get = async { admin.get(transport, id).await.unwrap() };
                self.check(get, State::is_shown).await;
                let secret = self.secret();
                let authenticate = platform.takes_secret(id, &secret);
                self.check(authenticate, |state, taken| state.accepts(&secret) == *taken)
                    .await;
                let lookup = async { platform.lookup(id).await.ok() };
                self.check(lookup, |state, found| match found {
                    Some(found) => !state.is_disabled && found["client"]["clientName"] == state.name,
                    None => state.is_disabled,
                })
                .await;
                let list = async {
                    let page = admin.list(transport, json!({})).await.unwrap();
                    page["data"][0].clone()
                };
                self.check(list, State::is_shown).await;
            }
        }
    }

    /// Returns a secret of the last states.
    fn secret(&self) -> String {
        let history = self.history.lock().unwrap();
        let mut secrets = history
            .states
            .iter()
            .rev()
            .take(3)
            .flat_map(|state| state.secrets.iter().flatten());
        let count = self.reads.load(Ordering::Relaxed);
        let at = usize::try_from(count % 3).unwrap();
        let first = secrets.next().unwrap().clone();
        secrets.nth(at).cloned().unwrap_or(first).1
    }

    /// Begins a change to a state that differs from the current one.
    fn begin(&self, change: impl FnOnce(&mut State)) {
        let mut history = self.history.lock().unwrap();
        let mut state = history.states.last().unwrap().clone();
        change(&mut state);
        history.states.push(state);
    }

    fn acknowledge(&self) {
        let mut history = self.history.lock().unwrap();
        history.acknowledged = history.states.len() - 1;
    }

    /// Changes the client in every way, on one replica after the other, for a time.
    async fn write(&self, duration: Duration) -> usize {
        let started = Instant::now();
        let id = self.id.as_str();
        let mut changes = 0;
        while started.elapsed() < duration {
            let admin = self.replicas[changes / 5 % 2].admin();
            let transport = Transport::BOTH[changes / 10 % 2];

            self.begin(|state| state.is_disabled = true);
            admin.disable(id, "misused").await.unwrap();
            self.acknowledge();

            self.begin(|state| state.secrets.push(None));
            let created = admin.create_secret(transport, id).await.unwrap();
            let hint = created["hint"].as_str().unwrap().to_owned();
            let secret = (hint, secret_of(&created));
            *self
                .history
                .lock()
                .unwrap()
                .states
                .last_mut()
                .unwrap()
                .secrets
                .last_mut()
                .unwrap() = Some(secret);
            self.acknowledge();

            self.begin(|state| state.is_disabled = false);
            admin.enable(id).await.unwrap();
            self.acknowledge();

            let name = format!("name {changes}");
            self.begin(|state| state.name.clone_from(&name));
            let operations = json!([{"op": "add", "path": "/clientName", "value": name}]);
            admin.patch(transport, id, operations).await.unwrap();
            self.acknowledge();

            let mut deleted = None;
            self.begin(|state| deleted = state.secrets.remove(0));
            admin
                .delete_secret(transport, id, &deleted.unwrap().0)
                .await
                .unwrap();
            self.acknowledge();
            changes += 5;
        }
        self.is_over.store(true, Ordering::Relaxed);
        changes
    }
}

/// Returns the time for which the test runs.
fn duration() -> Duration {
    let seconds = env::var("COHERENCE_SECONDS").ok();
    Duration::from_secs(seconds.map_or(5, |seconds| seconds.parse().unwrap()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_read_on_any_replica_is_older_than_an_acknowledged_change() {
    let Some(db) = Db::postgres().await else {
        return;
    };
    let first = TestServer::start(db).await;
    let second = first.replica().await.unwrap();
    let client = first.admin().create(Transport::Grpc, web()).await;
    let hint = client["clientSecrets"][0]["hint"].as_str().unwrap().to_owned();
    let state = State {
        name: client["clientName"].as_str().unwrap().to_owned(),
        is_disabled: false,
        secrets: vec![Some((hint, secret_of(&client)))],
    };
    let world = World {
        id: id_of(&client).to_owned(),
        replicas: [first, second],
        history: Mutex::new(History {
            states: vec![state],
            acknowledged: 0,
        }),
        is_over: AtomicBool::new(false),
        reads: AtomicU64::new(0),
    };
    let readers = join_all(
        world
            .replicas
            .iter()
            .flat_map(|server| [world.read(server), world.read(server)]),
    );
    let (changes, _) = tokio::join!(world.write(duration()), readers);
    let reads = world.reads.load(Ordering::Relaxed);
    writeln!(std::io::stdout(), "{changes} changes, {reads} reads").unwrap();
    assert!(changes >= 5 && reads >= 100, "{changes} changes, {reads} reads");
}
