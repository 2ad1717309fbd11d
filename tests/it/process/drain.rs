//! SIGTERM under load: nothing that was accepted is lost.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::support::{
    Answer, eventually,
    http::COLLECTION,
    process::{Served, run},
    samples::spa,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_stopped_reports_not_ready_and_serves_for_a_while() {
    let dir = tempfile::tempdir().unwrap();
    let mut served = Served::start(dir.path(), &["--drain-delay", "2s", "--tier1-per-minute", "0"]).await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let list = || {
        Answer::to(
            http.get(format!("{}{COLLECTION}", served.rest))
                .bearer_auth(&served.token),
        )
    };
    let (stopped, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let load = async {
        while !stopped.load(Ordering::SeqCst) {
            assert_eq!(list().await.status, 200);
            answered.fetch_add(1, Ordering::SeqCst);
        }
    };
    let stop = async {
        eventually("some load", async || {
            (answered.load(Ordering::SeqCst) > 10).then_some(())
        })
        .await;
        served.terminate().await;
        eventually("not ready", async || {
            let ready = Answer::to(http.get(format!("{}/readyz", served.rest))).await;
            (ready.status == 503).then_some(())
        })
        .await;
        assert_eq!(
            run(&["healthcheck", "--grpc-addr", &served.grpc]).await.code,
            Some(1)
        );
        let before = answered.load(Ordering::SeqCst);
        eventually("calls still work", async || {
            (answered.load(Ordering::SeqCst) > before + 10).then_some(())
        })
        .await;
        stopped.store(true, Ordering::SeqCst);
    };
    tokio::join!(load, stop);
    assert_eq!(served.exit_code().await, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_in_flight_is_finished_before_the_server_ends() {
    let dir = tempfile::tempdir().unwrap();
    let mut served = Served::start(dir.path(), &[]).await;
    let addr = served.rest.trim_start_matches("http://").to_owned();
    let body = spa().to_string();
    let (first, second) = body.split_at(10);
    let head = format!(
        "POST {COLLECTION} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {}\r\ncontent-length: {}\r\nexpect: 100-continue\r\n\r\n",
        served.token,
        body.len()
    );
    let mut call = TcpStream::connect(&addr).await.unwrap();
    call.write_all(head.as_bytes()).await.unwrap();
    // The server asks for the body, so the request is in flight.
    let mut asked = [0; 25];
    call.read_exact(&mut asked).await.unwrap();
    assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");
    call.write_all(first.as_bytes()).await.unwrap();

    served.terminate().await;
    eventually("no new connections", async || {
        TcpStream::connect(&addr).await.err()
    })
    .await;
    call.write_all(second.as_bytes()).await.unwrap();
    let mut answer = String::new();
    call.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    assert_eq!(served.exit_code().await, Some(0));
}
