//! File descriptors: their limit, and their end.

use std::time::Duration;

use serde_json::Value;
use tokio::net::TcpStream;

use crate::support::{Answer, eventually, http::COLLECTION, process::Served};

/// Returns the lines of a log with a message.
fn lines(served: &Served, message: &str) -> Vec<Value> {
    let log = served.log();
    let lines = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["message"] == message).collect()
}

#[tokio::test]
async fn the_limit_is_raised_and_reported_with_the_number_of_connections() {
    for (before, args, descriptors, connections) in [
        ("ulimit -S -n 256; ulimit -H -n 2000", &[][..], 2_000, 1_800),
        ("ulimit -n 2000", &["--max-connections", "50"], 2_000, 50),
        ("ulimit -n 2000", &["--max-connections", "1900"], 2_000, 1_800),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let served = Served::start_after(dir.path(), before, args).await;
        let listening = eventually("it listens", async || lines(&served, "listening").pop()).await;
        assert_eq!(listening["descriptors"], descriptors, "{listening}");
        assert_eq!(listening["max_connections"], connections, "{listening}");
        let lowered = lines(
            &served,
            "fewer connections than configured, for lack of file descriptors",
        );
        assert_eq!(lowered.len(), usize::from(args.contains(&"1900")));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lack_of_descriptors_passes() {
    let dir = tempfile::tempdir().unwrap();
    // Fewer than the server needs for the connections that it accepts in any case.
    let served = Served::start_after(dir.path(), "ulimit -n 40", &[]).await;
    let rest = served.rest.trim_start_matches("http://").to_owned();
    let mut held = Vec::new();
    for _ in 0..20 {
        for addr in [&rest, &served.grpc] {
            held.push(TcpStream::connect(addr).await.unwrap());
        }
    }
    eventually("none is accepted", async || {
        (!lines(&served, "no connections accepted").is_empty()).then_some(())
    })
    .await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    // One for each listener, and more if a descriptor was free for a moment, but not one for each attempt.
    let logged = lines(&served, "no connections accepted").len();
    assert!(logged < 10, "{logged} lines");
    drop(held);
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let list = || {
        http.get(format!("{}{COLLECTION}", served.rest))
            .bearer_auth(&served.token)
    };
    eventually("requests are served again", async || {
        (Answer::to(list()).await.status == 200).then_some(())
    })
    .await;
}
