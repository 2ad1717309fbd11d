//! Retries of one request across two replicas, one of which is killed at some time: one change, and one response.

use std::{env, io::Write as _, time::Duration};

use futures_util::future::join_all;
use proptest::{collection::vec, prelude::*, strategy::ValueTree as _, test_runner::TestRunner};
use prost_reflect::{DynamicMessage, prost::Message as _};
use serde_json::{Value, json};
use tempfile::TempDir;
use uuid::Uuid;

use crate::support::{
    Db, Transport,
    authn::{id_of, secret_of},
    caller::{Transports, method},
    process::Served,
    samples::{web, with},
};

on_each_database![retries_of_a_request_make_one_change_and_have_one_response];

/// A request, sent to a replica over a transport after a time.
#[derive(Debug, Clone, Copy)]
struct Try {
    replica: usize,
    transport: Transport,
    after_ms: u64,
}

/// Tries of one request, and when which replica is killed.
#[derive(Debug, Clone)]
struct Round {
    rpc: &'static str,
    tries: Vec<Try>,
    killed: usize,
    killed_after_ms: u64,
}

/// Changes take some milliseconds, and on PostgreSQL are acknowledged 100 ms after that.
const LONGEST_MS: u64 = 160;

fn rounds() -> impl Strategy<Value = Round> {
    let transport = prop_oneof![Just(Transport::Rest), Just(Transport::Grpc)];
    let tried = (0..2_usize, transport, 0..LONGEST_MS).prop_map(|(replica, transport, after_ms)| Try {
        replica,
        transport,
        after_ms,
    });
    let rpc = prop_oneof![Just("CreateOAuthClient"), Just("CreateClientSecret")];
    let killed = (0..2_usize, 0..LONGEST_MS, any::<bool>());
    (rpc, vec(tried, 1..6), killed).prop_map(|(rpc, mut tries, (killed, killed_after_ms, only_it))| {
        if only_it {
            for one in &mut tries {
                one.replica = killed;
            }
        }
        Round {
            rpc,
            tries,
            killed,
            killed_after_ms,
        }
    })
}

/// The replicas: two on PostgreSQL, one on SQLite.
struct Replicas {
    db: Db,
    dir: TempDir,
    served: Vec<Option<Served>>,
}

impl Replicas {
    async fn start(db: Db) -> Self {
        let count = if db.is_sqlite() { 1 } else { 2 };
        let mut replicas = Self {
            db,
            dir: tempfile::tempdir().unwrap(),
            served: Vec::new(),
        };
        for _ in 0..count {
            let served = replicas.serve().await;
            replicas.served.push(Some(served));
        }
        replicas
    }

    async fn serve(&self) -> Served {
        let args = [
            "--migrate",
            "--database-url",
            self.db.text(),
            "--tier2-per-minute",
            "0",
        ];
        // The replicas share the directory, for its key.
        Served::start(self.dir.path(), &args).await
    }

    fn at(&self, index: usize) -> (Transports, String) {
        let served = self.served[index % self.served.len()].as_ref().unwrap();
        (served.transports(), served.token_of("acme"))
    }

    async fn kill(&mut self, index: usize) {
        let index = index % self.served.len();
        self.served[index].take().unwrap().kill().await;
    }

    async fn restart(&mut self) {
        for index in 0..self.served.len() {
            if self.served[index].is_none() {
                self.served[index] = Some(self.serve().await);
            }
        }
    }
}

/// Sends a request, and returns the id and the secret of the response, and its etag. Returns `None` if there is no response,
/// or it is an error.
async fn send(
    (transports, token): &(Transports, String),
    transport: Transport,
    rpc: &str,
    request: &Value,
) -> Option<[String; 3]> {
    let caller = transports.caller(Some(token.clone()));
    let (response, etag) = match transport {
        Transport::Rest => {
            let response = caller.http_request(rpc, request).send().await.ok()?;
            let response = response.error_for_status().ok()?;
            let etag = response.headers().get("etag").cloned()?;
            (
                response.json::<Value>().await.ok()?,
                etag.to_str().unwrap().to_owned(),
            )
        }
        Transport::Grpc => {
            let method = method(rpc);
            let message = DynamicMessage::deserialize(method.descriptor.input(), request.clone()).unwrap();
            let response = caller
                .exchange(&method.path, message.encode_to_vec())
                .await
                .ok()?;
            let etag = response
                .metadata()
                .get("etag")
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            let message =
                DynamicMessage::decode(method.descriptor.output(), response.get_ref().as_slice()).unwrap();
            (serde_json::to_value(message).unwrap(), etag)
        }
    };
    Some([id_of(&response).to_owned(), secret_of(&response), etag])
}

/// Runs a round, and returns `true` if the change was made before the crash, and nobody got a response.
async fn run(round: &Round, replicas: &mut Replicas) -> bool {
    let (transports, token) = replicas.at(0);
    let admin = transports.caller(Some(token));
    let key = json!({"requestId": Uuid::now_v7().to_string(), "clientName": Uuid::now_v7().to_string()});
    let request = if round.rpc == "CreateOAuthClient" {
        with(web(), key.clone())
    } else {
        let id = admin.created(web()).await;
        json!({"clientId": id, "requestId": key["requestId"]})
    };
    let count = "SELECT count(*) FROM oauth_client_changes";
    let before = replicas.db.number(count).await;

    let tries: Vec<_> = round
        .tries
        .iter()
        .map(|tried| (*tried, replicas.at(tried.replica)))
        .collect();
    let sending = join_all(tries.iter().map(|(tried, at)| {
        let request = &request;
        async move {
            tokio::time::sleep(Duration::from_millis(tried.after_ms)).await;
            send(at, tried.transport, round.rpc, request).await
        }
    }));
    let killing = async {
        tokio::time::sleep(Duration::from_millis(round.killed_after_ms)).await;
        replicas.kill(round.killed).await;
    };
    let (outcomes, ()) = tokio::join!(sending, killing);
    let is_made = replicas.db.number(count).await > before;
    let response_is_lost = is_made && outcomes.iter().all(Option::is_none);
    replicas.restart().await;

    let mut responses: Vec<[String; 3]> = outcomes.into_iter().flatten().collect();
    for replica in 0..2 {
        for transport in Transport::BOTH {
            let at = replicas.at(replica);
            let mut response = None;
            // The database may still hold the locks of the replica that was killed.
            for _ in 0..50 {
                response = send(&at, transport, round.rpc, &request).await;
                if response.is_some() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            responses.push(response.expect("a response after the crash"));
        }
    }
    let all_are_one = responses.windows(2).all(|pair| pair[0] == pair[1]);
    assert!(all_are_one, "{round:?}: {responses:?}");
    let records = replicas.db.number(count).await - before;
    assert_eq!(records, 1, "{round:?}");
    response_is_lost
}

async fn retries_of_a_request_make_one_change_and_have_one_response(db: Db) {
    let rounds_to_run: u32 = env::var("RETRY_ROUNDS").map_or(8, |number| number.parse().unwrap());
    let mut replicas = Replicas::start(db).await;
    let mut runner = TestRunner::default();
    let mut lost = 0;
    for _ in 0..rounds_to_run {
        let round = rounds().new_tree(&mut runner).unwrap().current();
        lost += u32::from(run(&round, &mut replicas).await);
    }
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{rounds_to_run} rounds, {lost} lost responses").unwrap();
}
