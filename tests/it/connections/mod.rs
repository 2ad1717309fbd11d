//! The limits of connections: their number, their age, and what a peer may hold up.

mod age;
mod limit;
mod stalled;
mod streams;

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use h2::client::{Connection, SendRequest};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinHandle,
};

use crate::support::{Db, TestServer};

/// The most that anything in these tests takes, on a busy machine.
const LONG: Duration = Duration::from_secs(20);

/// Starts a server with other limits of connections.
async fn serve(configure: impl FnOnce(&mut oauth_clients::config::ConnectionLimits)) -> TestServer {
    TestServer::start_with(Db::sqlite(), |config| {
        configure(&mut config.connections);
        config.drain_timeout = Duration::from_mins(1);
    })
    .await
}

/// Connects with HTTP/2. The task ends with the connection.
async fn http2(
    addr: SocketAddr,
    builder: &h2::client::Builder,
) -> (SendRequest<Bytes>, JoinHandle<Result<(), h2::Error>>) {
    let socket = TcpStream::connect(addr).await.unwrap();
    let (requests, connection): (_, Connection<TcpStream, Bytes>) = builder.handshake(socket).await.unwrap();
    (requests, tokio::spawn(connection))
}

/// A connection of HTTP/1.1 that is kept.
struct KeptAlive(TcpStream);

impl KeptAlive {
    async fn connect(addr: SocketAddr) -> Self {
        Self(TcpStream::connect(addr).await.unwrap())
    }

    /// Sends a GET, and returns the head of the response once all of it has arrived; nothing if the connection is closed.
    async fn get(&mut self, path: &str, token: &str) -> String {
        let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\n\r\n");
        // An error shows when the response is read.
        let _closed = self.0.write_all(request.as_bytes()).await;
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            match self.0.read_u8().await {
                Ok(byte) => head.push(byte.into()),
                Err(_) => return head,
            }
        }
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .unwrap_or_else(|| panic!("no length in {head}"));
        let mut body = vec![0; length.parse().unwrap()];
        self.0.read_exact(&mut body).await.unwrap();
        head
    }

    /// Returns once the server has closed the connection, without a response.
    async fn closed(&mut self) {
        let closed = tokio::time::timeout(LONG, self.0.read_u8()).await;
        closed.expect("it is closed").unwrap_err();
    }
}
