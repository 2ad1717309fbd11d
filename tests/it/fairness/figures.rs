//! The time of reads beside the worst lists, as figures for people: how much they are delayed depends on the machine.

use std::{
    fmt::Write as _,
    io::Write as _,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use prost::Message as _;
use prost_reflect::DynamicMessage;

use super::{GREEDY, Neighbour, multiply, worst_list};
use crate::support::{Db, TestServer, Transport, caller::method};

const TIME: Duration = Duration::from_secs(10);
/// The interval at which the neighbour reads.
const INTERVAL: Duration = Duration::from_millis(5);

/// Prints, for each database: the lists in flight, the requests of a neighbour, how many failed, and their times.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes, and prints figures: cargo test --test it fairness::figures -- --ignored --nocapture"]
async fn reads_beside_the_worst_lists() {
    let mut text =
        String::from("| database | lists in flight | requests | failed | p50 | p99 | greatest |\n");
    text += "|---|---|---|---|---|---|---|\n";
    for db in [Some(Db::sqlite()), Db::postgres().await].into_iter().flatten() {
        let kind = if db.is_sqlite() { "SQLite" } else { "PostgreSQL" };
        let server = TestServer::start_with(db, |_| {}).await;
        let name = serde_json::json!({"appType": "spa", "clientName": "n".repeat(200)});
        let first = server.admin_of(GREEDY).created(name).await;
        multiply(&server.db, &first, super::MANY).await;
        let neighbour = Neighbour::of(&server).await;
        for lists in [0, 4, 1_000] {
            let row = measure(&server, &neighbour, lists).await;
            writeln!(text, "| {kind} | {lists} | {row} |").unwrap();
        }
    }
    writeln!(std::io::stderr(), "{text}").unwrap();
}

async fn measure(server: &TestServer, neighbour: &Neighbour, lists: usize) -> String {
    // The requests are made once, as those who send them share the processors with the server.
    let list = method("ListOAuthClients");
    let request = DynamicMessage::deserialize(list.descriptor.input(), worst_list()).unwrap();
    let request = request.encode_to_vec();
    let greedy = server.admin_of(GREEDY);
    let load = async {
        join_all((0..lists).map(async |_| {
            loop {
                drop(greedy.call_bytes(&list.path, request.clone()).await);
            }
        }))
        .await;
        std::future::pending::<()>().await;
    };
    let (admin, platform) = (server.admin_of("neighbour"), server.platform());
    let reads = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let (mut times, mut failed) = (Vec::new(), 0);
        let started = Instant::now();
        let mut interval = tokio::time::interval(INTERVAL);
        while started.elapsed() < TIME {
            interval.tick().await;
            let before = Instant::now();
            failed += usize::from(admin.get(Transport::Grpc, &neighbour.id).await.is_err());
            times.push(before.elapsed());
            let request = serde_json::json!({"clientId": neighbour.id, "clientSecret": neighbour.secret});
            let before = Instant::now();
            failed += usize::from(platform.authenticate(request).await.is_err());
            times.push(before.elapsed());
        }
        times.sort_unstable();
        let at = |share: f64| {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_precision_loss,
                clippy::cast_sign_loss,
                reason = "a position in a short list"
            )]
            let index = (times.len() as f64 * share) as usize;
            let micros = times[index.min(times.len() - 1)].as_micros();
            format!("{micros} µs")
        };
        format!(
            "{} | {failed} | {} | {} | {}",
            times.len(),
            at(0.5),
            at(0.99),
            at(1.0)
        )
    };
    tokio::select! {
        () = load => unreachable!("lists go on"),
        row = reads => row,
    }
}
