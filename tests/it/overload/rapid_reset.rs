//! Streams that are reset at once close their connection, and streams that are reset at their deadline do not.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use h2::{Reason, client::SendRequest};
use oauth_clients::pb::v1::EnableOAuthClientRequest;
use prost::Message as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
};

use crate::support::{Caller, Db, TestServer, Transport, framed, http::COLLECTION, samples::spa};

const ENABLE: &str = "/oauth_clients.v1.OAuthClientService/EnableOAuthClient";

/// Returns a length in a prefix of seven bits (RFC 7541 section 5.1).
fn length(text: &str) -> Vec<u8> {
    let Some(rest) = text.len().checked_sub(127) else {
        return vec![u8::try_from(text.len()).unwrap()];
    };
    let low = u8::try_from(rest % 128).unwrap();
    vec![127, low | 128, u8::try_from(rest / 128).unwrap()]
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let size = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&size[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The headers of a request without a body, as literals without indexing (RFC 7541 section 6.2.2).
fn headers(caller: &Caller<'_>, id: &str) -> Vec<u8> {
    let authorization = format!("Bearer {}", caller.token.as_ref().unwrap());
    let path = format!("{COLLECTION}/{id}");
    let fields = [
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "registry"),
        (":path", &path),
        ("content-type", "application/grpc"),
        ("authorization", &authorization),
    ];
    let literal = |(name, value): (&str, &str)| {
        let parts = [vec![0], length(name), name.into(), length(value), value.into()];
        parts.concat()
    };
    fields.map(literal).concat()
}

/// Opens streams and resets each at once, until the server closes the connection, and returns their number.
async fn reset_at_once(addr: SocketAddr, headers: &[u8], most: u32) -> u32 {
    let (mut read, mut write) = TcpStream::connect(addr).await.unwrap().into_split();
    tokio::spawn(async move {
        // It ends with an error if the server closes it.
        let _ended = read.read_to_end(&mut Vec::new()).await;
    });
    let preface = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frame(4, 0, 0, &[])].concat();
    write.write_all(&preface).await.unwrap();
    for number in 0..most {
        let stream = 2 * number + 1;
        // END_STREAM and END_HEADERS, and then CANCEL.
        let both = [frame(1, 5, stream, headers), frame(3, 0, stream, &[0, 0, 0, 8])].concat();
        if write.write_all(&both).await.is_err() {
            return number;
        }
        if number % 10 == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    most
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_resets_its_streams_at_once_is_closed() {
    let server = TestServer::start(Db::sqlite()).await;
    let admin = server.admin();
    let id = admin.created(spa()).await;
    let headers = headers(&admin, &id);
    for addr in [server.grpc_addr, server.rest_addr] {
        let opened = reset_at_once(addr, &headers, 20_000).await;
        assert!((1_000..20_000).contains(&opened), "{addr} {opened}");
    }
    // Other connections go on.
    for transport in Transport::BOTH {
        admin.get(transport, &id).await.unwrap();
    }
}

async fn connect(addr: SocketAddr) -> SendRequest<Bytes> {
    let tcp = TcpStream::connect(addr).await.unwrap();
    tcp.set_nodelay(true).unwrap();
    let (requests, connection) = h2::client::handshake(tcp).await.unwrap();
    tokio::spawn(async move {
        // It ends with an error if the server closes it.
        let _ended = connection.await;
    });
    requests
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn six_thousand_requests_with_deadlines_of_50_ms_share_a_connection() {
    let server = TestServer::start(Db::sqlite()).await;
    let id = server.admin().created(spa()).await;
    // None of them has a response in time, and the server does not know their deadlines.
    let held = server.db.hold_client(&id).await;
    let connection = connect(server.grpc_addr).await;
    let message = EnableOAuthClientRequest {
        client_id: id,
        etag: None,
        request_id: None,
    }
    .encode_to_vec();
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    let body = Bytes::from([&[0][..], &length, &message].concat());
    let request = framed::post(&server, ENABLE).body(()).unwrap();
    let mut callers = JoinSet::new();
    for _ in 0..200 {
        let (connection, request, body) = (connection.clone(), request.clone(), body.clone());
        callers.spawn(async move {
            for _ in 0..30 {
                let mut ready = connection.clone().ready().await.unwrap();
                let (response, mut stream) = ready.send_request(request.clone(), false).unwrap();
                stream.send_data(body.clone(), true).unwrap();
                if tokio::time::timeout(Duration::from_millis(50), response)
                    .await
                    .is_err()
                {
                    stream.send_reset(Reason::CANCEL);
                }
            }
        });
    }
    while let Some(ended) = callers.join_next().await {
        ended.unwrap();
    }
    held.rollback().await.unwrap();
    let (response, mut stream) = connection
        .ready()
        .await
        .unwrap()
        .send_request(request, false)
        .unwrap();
    stream.send_data(body, true).unwrap();
    let response = response.await.unwrap();
    assert_eq!(response.headers().get("grpc-status"), None, "{response:?}");
}
