//! Connections that are old or idle.

use std::{
    error::Error as _,
    time::{Duration, Instant},
};

use oauth_clients::pb::v1::ListOAuthClientsRequest;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use super::{KeptAlive, LONG, http2, serve};
use crate::support::{TestServer, Transport, http::COLLECTION};

const AGE: Duration = Duration::from_millis(400);
const IDLE: Duration = Duration::from_millis(400);

async fn aging() -> TestServer {
    serve(|limits| limits.max_age = AGE).await
}

/// Waits until an HTTP/2 connection has ended in good order.
async fn ended(connection: tokio::task::JoinHandle<Result<(), h2::Error>>) {
    let ended = tokio::time::timeout(LONG, connection).await;
    ended.expect("it ends").unwrap().expect("it ends with GOAWAY");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_connection_of_http1_ends_with_its_next_response() {
    let server = aging().await;
    let token = server.admin().token.unwrap();
    let mut connection = KeptAlive::connect(server.rest_addr).await;
    let opened = Instant::now();
    let mut heads = Vec::new();
    loop {
        let head = connection.get(COLLECTION, &token).await;
        assert!(
            head.starts_with("HTTP/1.1 200 "),
            "a request got no response: {head:?}"
        );
        let is_last = head.contains("connection: close\r\n");
        heads.push(head);
        if is_last {
            break;
        }
    }
    assert!(opened.elapsed() >= AGE * 9 / 10, "{:?}", opened.elapsed());
    assert!(heads.len() > 1, "{heads:?}");
    connection.closed().await;

    // It is not closed between two requests, which might lose the second one.
    let mut connection = KeptAlive::connect(server.rest_addr).await;
    connection.get("/healthz", "").await;
    tokio::time::sleep(AGE * 2).await;
    let head = connection.get(COLLECTION, &token).await;
    assert!(
        head.starts_with("HTTP/1.1 200 ") && head.contains("connection: close\r\n"),
        "{head:?}"
    );
    connection.closed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_connection_of_http2_ends_on_both_transports() {
    let server = aging().await;
    for transport in Transport::BOTH {
        let opened = Instant::now();
        let (_requests, connection) = http2(server.addr(transport), &h2::client::Builder::new()).await;
        ended(connection).await;
        assert!(opened.elapsed() >= AGE * 9 / 10, "{:?}", opened.elapsed());
    }
}

/// Returns `true` for a request that the client library gave to a connection that had received GOAWAY already. Other
/// libraries retry it by themselves.
fn was_not_sent(status: &tonic::Status) -> bool {
    let mut causes = std::iter::successors(status.source(), |error| (*error).source());
    let is_refused = |error: &h2::Error| error.is_go_away() && error.reason() == Some(h2::Reason::NO_ERROR);
    causes.any(|error| {
        error.downcast_ref().is_some_and(hyper::Error::is_canceled)
            || error.downcast_ref().is_some_and(is_refused)
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_is_lost_with_old_connections() {
    let server = serve(|limits| limits.max_age = Duration::from_millis(100)).await;
    let until = Instant::now() + Duration::from_secs(3);
    let rest = async || {
        while Instant::now() < until {
            let admin = server.admin();
            admin.list(Transport::Rest, serde_json::json!({})).await.unwrap();
        }
    };
    let grpc = async || {
        while Instant::now() < until {
            let list = server
                .admin()
                .grpc()
                .list_o_auth_clients(ListOAuthClientsRequest::default())
                .await;
            list.map_or_else(|status| assert!(was_not_sent(&status), "{status:?}"), drop);
        }
    };
    let both = futures_util::future::join_all((0..4).map(|_| async {
        tokio::join!(rest(), grpc());
    }));
    both.await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_connection_of_http2_ends_on_both_transports() {
    let server = serve(|limits| limits.idle_timeout = IDLE).await;
    for transport in Transport::BOTH {
        let opened = Instant::now();
        let (_requests, connection) = http2(server.addr(transport), &h2::client::Builder::new()).await;
        ended(connection).await;
        assert!(opened.elapsed() >= IDLE, "{:?}", opened.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_with_a_request_in_flight_is_not_idle() {
    let server = serve(|limits| limits.idle_timeout = IDLE).await;
    let mut health = HealthClient::new(server.transports.channel.clone());
    let watching = health.watch(HealthCheckRequest::default()).await;
    let mut watching = watching.unwrap().into_inner();
    watching.message().await.unwrap();
    let ended = tokio::time::timeout(IDLE * 4, watching.message()).await;
    ended.expect_err("it goes on");
}
