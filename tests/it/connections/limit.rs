//! The number of connections.

use std::{net::SocketAddr, num::NonZeroUsize};

use bytes::Bytes;
use h2::client::SendRequest;
use tokio::net::TcpStream;
use tonic::{Code, transport::Endpoint};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_types::StatusExt as _;

use super::{http2, serve};
use crate::support::{
    Refused, TestServer, Transport, caller::Transports, certs::Ca, eventually, http::COLLECTION, raw,
    tls_client::TlsClient,
};

const MAX: usize = 4;

/// Starts a server whose places are all taken.
async fn full() -> (TestServer, Vec<SendRequest<Bytes>>) {
    let server = serve(|limits| limits.max_open = NonZeroUsize::new(MAX)).await;
    let mut held = Vec::new();
    for transport in Transport::BOTH.repeat(MAX / 2) {
        let addr = server.addr(transport);
        let mut connection = http2(addr, &h2::client::Builder::new()).await.0;
        // Once there is a response, it has its place.
        let request = http::Request::get(format!("http://{addr}/healthz"))
            .body(())
            .unwrap();
        let (response, _body) = connection.send_request(request, true).unwrap();
        response.await.unwrap();
        held.push(connection);
    }
    // The places are taken once a further connection gets none.
    eventually("the limit is reached", async || {
        (get(server.rest_addr, COLLECTION, "").await.0 == 503).then_some(())
    })
    .await;
    (server, held)
}

async fn get(addr: SocketAddr, path: &str, headers: &str) -> (u16, String) {
    let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\n{headers}\r\n");
    raw::send(addr, request.as_bytes()).await
}

/// Returns the health of a server, over a connection of its own.
async fn health(addr: SocketAddr) -> ServingStatus {
    let channel = Endpoint::from_shared(format!("http://{addr}"))
        .unwrap()
        .connect_lazy();
    let health = HealthClient::new(channel)
        .check(HealthCheckRequest::default())
        .await;
    health.unwrap().into_inner().status()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beyond_the_limit_only_probes_are_served() {
    let (server, held) = full().await;
    for path in ["/healthz", "/readyz"] {
        // The request does not ask for it, and yet the connection is closed.
        let (status, answer) = get(server.rest_addr, path, "").await;
        assert_eq!(status, 200, "{answer}");
        assert!(answer.contains("connection: close\r\n"), "{answer}");
    }
    assert_eq!(health(server.grpc_addr).await, ServingStatus::Serving);

    let authorized = format!(
        "authorization: Bearer {}\r\nx-request-id: mine\r\n",
        server.admin().token.unwrap()
    );
    let (status, answer) = get(server.rest_addr, COLLECTION, &authorized).await;
    assert_eq!(status, 503);
    for part in [
        "\"UNAVAILABLE\"",
        "too many connections",
        "retry-after: 5\r\n",
        "x-request-id: mine\r\n",
    ] {
        assert!(answer.contains(part), "{part} in {answer}");
    }
    let fresh = || {
        Transports::at(
            format!("http://{}", server.rest_addr),
            format!("http://{}", server.grpc_addr),
        )
    };
    let request = || oauth_clients::pb::v1::ListOAuthClientsRequest::default();
    let transports = fresh();
    let status = transports
        .caller(server.admin().token)
        .grpc()
        .list_o_auth_clients(request())
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(
        status
            .get_details_retry_info()
            .unwrap()
            .retry_delay
            .unwrap()
            .as_secs(),
        5
    );
    assert_eq!(Refused::from(status).codes(), ["UNAVAILABLE"]);

    drop(held);
    eventually("there is room again", async || {
        let answer = get(
            server.rest_addr,
            COLLECTION,
            &format!("{authorized}connection: close\r\n"),
        )
        .await;
        (answer.0 == 200).then_some(())
    })
    .await;
    let transports = fresh();
    let listed = transports
        .caller(server.admin().token)
        .grpc()
        .list_o_auth_clients(request())
        .await;
    listed.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_silent_connections_does_not_stop_probes() {
    let (server, _held) = full().await;
    let mut flood = Vec::new();
    for _ in 0..100 {
        for transport in Transport::BOTH {
            flood.push(TcpStream::connect(server.addr(transport)).await.unwrap());
        }
        assert_eq!(get(server.rest_addr, "/readyz", "").await.0, 200);
        assert_eq!(health(server.grpc_addr).await, ServingStatus::Serving);
    }
    // The oldest lost their places to others, before any time limit.
    let mut open = 0;
    for socket in &flood {
        let closed = eventually("the oldest are closed", async || {
            let ended = match socket.try_read(&mut [0]) {
                Ok(_) => true,
                Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
            };
            (ended || open <= 32).then_some(ended)
        })
        .await;
        open += usize::from(!closed);
    }
    assert!(open <= 32, "{open}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn probes_are_served_beyond_the_limit_over_tls_too() {
    let ca = Ca::new("ca");
    let dir = tempfile::tempdir().unwrap();
    let files = ca.server().write(dir.path(), None);
    let server = TestServer::start_with(crate::support::Db::sqlite(), |config| {
        config.tls = Some(files);
        config.connections.max_open = NonZeroUsize::new(1);
    })
    .await;
    let client = TlsClient::new(&ca, None);
    let _held = client.open(&server, Transport::Grpc).await.unwrap();
    for transport in Transport::BOTH.repeat(20) {
        client.open(&server, transport).await.unwrap();
    }
}
