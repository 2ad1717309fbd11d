//! Peers that do not read their responses.

use std::time::Duration;

use bytes::Bytes;
use h2::client::{Builder, ResponseFuture, SendRequest};
use http::{Method, Request};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpSocket,
};

use super::{LONG, http2, serve};
use crate::support::{
    TestServer,
    http::COLLECTION,
    samples::{spa, with},
};

const WRITE_TIMEOUT: Duration = Duration::from_secs(2);

/// Starts a server with a page of clients that takes about 1.5 MB.
async fn with_a_large_page() -> TestServer {
    let server = serve(|limits| limits.write_timeout = WRITE_TIMEOUT).await;
    let uris: Vec<String> = (0..90)
        .map(|number| format!("https://example.com/{number}/{}", "a".repeat(1_900)))
        .collect();
    let large = with(spa(), serde_json::json!({ "redirectUris": uris }));
    for _ in 0..9 {
        server.admin().created(large.clone()).await;
    }
    server
}

/// Sends a request, and returns the future of its response.
fn send(server: &TestServer, requests: &mut SendRequest<Bytes>, path: &str) -> ResponseFuture {
    let request = Request::builder()
        .method(Method::GET)
        .uri(format!("http://{}{path}", server.rest_addr))
        .header(
            "authorization",
            format!("Bearer {}", server.admin().token.unwrap()),
        )
        .body(())
        .unwrap();
    requests.send_request(request, true).unwrap().0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_reads_nothing_is_cut_off_and_delays_no_drain() {
    let server = with_a_large_page().await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(8 * 1024).unwrap();
    let mut connection = socket.connect(server.rest_addr).await.unwrap();
    let token = server.admin().token.unwrap();
    let request = format!("GET {COLLECTION} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\n\r\n");
    // More responses than the buffers of the kernel hold.
    connection.write_all(request.repeat(20).as_bytes()).await.unwrap();
    tokio::time::sleep(WRITE_TIMEOUT / 2).await;
    let stopped = tokio::time::timeout(LONG, server.stop()).await;
    stopped.expect("it stops before the limit of its drain");
    let mut arrived = Vec::new();
    // It is reset or ends early.
    let _reset = connection.read_to_end(&mut arrived).await;
    assert!(arrived.len() < 20 * 1_500_000, "{}", arrived.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_without_a_window_is_reset_and_others_go_on() {
    let server = with_a_large_page().await;
    // The acknowledged pings keep the connection alive.
    let mut builder = Builder::new();
    builder
        .initial_window_size(100_000)
        .initial_connection_window_size(10_000_000);
    let (mut requests, _connection) = http2(server.rest_addr, &builder).await;
    let response = send(&server, &mut requests, COLLECTION).await.unwrap();
    assert_eq!(response.status(), 200);
    let mut body = response.into_body();
    let mut window = body.flow_control().clone();
    let read = async {
        let mut arrived = 0;
        loop {
            // What arrives is not released, so the window shrinks to nothing.
            match body.data().await {
                Some(Ok(data)) => arrived += data.len(),
                Some(Err(error)) => return (arrived, error),
                None => panic!("all of it arrived"),
            }
        }
    };
    let (arrived, error) = tokio::time::timeout(LONG, read).await.expect("it is reset");
    assert_eq!((arrived, error.reason()), (100_000, Some(h2::Reason::CANCEL)));
    window.release_capacity(arrived).unwrap();

    // A peer that reads slowly gets all of it.
    let mut body = send(&server, &mut requests, COLLECTION)
        .await
        .unwrap()
        .into_body();
    let mut arrived = 0;
    while let Some(data) = body.data().await {
        let data = data.unwrap();
        arrived += data.len();
        tokio::time::sleep(WRITE_TIMEOUT / 80).await;
        body.flow_control().release_capacity(data.len()).unwrap();
    }
    assert!(arrived > 1_500_000, "{arrived}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_small_response_that_has_no_window_delays_no_drain() {
    let server = with_a_large_page().await;
    let mut builder = Builder::new();
    builder.initial_window_size(1);
    let (mut requests, _connection) = http2(server.rest_addr, &builder).await;
    let response = send(
        &server,
        &mut requests,
        &format!("{COLLECTION}?limit=1&filter=clientName%20eq%20%22none%22"),
    );
    assert_eq!(response.await.unwrap().status(), 200);
    let stopped = tokio::time::timeout(LONG, server.stop()).await;
    stopped.expect("it stops before the limit of its drain");
}
