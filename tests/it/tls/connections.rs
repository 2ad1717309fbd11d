//! Stalled and silent connections, which delay no other.

use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::support::{
    Db, TestServer, Transport,
    certs::Ca,
    tls_client::{Session, TlsClient},
};

async fn serve(ca: &Ca) -> (TestServer, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let files = ca.server().write(dir.path(), None);
    let server = TestServer::start_with(Db::sqlite(), |config| config.tls = Some(files)).await;
    (server, dir)
}

/// Begins a handshake and does not finish it.
async fn stalled(server: &TestServer, transport: Transport) -> TcpStream {
    let mut stream = TcpStream::connect(server.addr(transport)).await.unwrap();
    // The head of a record of 512 bytes, and one of them.
    stream.write_all(&[22, 3, 1, 2, 0, 1]).await.unwrap();
    stream
}

#[tokio::test]
async fn a_stalled_handshake_delays_no_other_connection() {
    let ca = Ca::new("ca");
    let (server, _dir) = serve(&ca).await;
    for transport in Transport::BOTH {
        let mut all = Vec::new();
        for _ in 0..20 {
            all.push(stalled(&server, transport).await);
        }
        let before = Instant::now();
        TlsClient::new(&ca, None).open(&server, transport).await.unwrap();
        assert!(before.elapsed() < Duration::from_secs(5));
    }
}

#[tokio::test]
async fn a_failed_handshake_does_not_hide_one_that_still_runs() {
    let ca = Ca::new("ca");
    let (server, _dir) = serve(&ca).await;
    for transport in Transport::BOTH {
        let slow = TcpStream::connect(server.addr(transport)).await.unwrap();
        let mut broken = TcpStream::connect(server.addr(transport)).await.unwrap();
        broken.write_all(b"no TLS at all").await.unwrap();
        // An error ends the connection too.
        let _alert = broken.read_to_end(&mut Vec::new()).await;
        let stream = TlsClient::new(&ca, None).shake_hands(slow).await.unwrap();
        Session::on(stream, transport).await.unwrap();
    }
}

#[tokio::test]
async fn a_stalled_handshake_does_not_delay_shutdown() {
    let ca = Ca::new("ca");
    let (server, _dir) = serve(&ca).await;
    let _stalled = [
        stalled(&server, Transport::Rest).await,
        stalled(&server, Transport::Grpc).await,
    ];
    // After them, so that they were accepted.
    for transport in Transport::BOTH {
        TlsClient::new(&ca, None).open(&server, transport).await.unwrap();
    }
    let before = Instant::now();
    server.stop().await;
    assert!(
        before.elapsed() < Duration::from_secs(3),
        "{:?}",
        before.elapsed()
    );
}

#[tokio::test]
async fn a_silent_connection_is_closed() {
    let ca = Ca::new("ca");
    let (encrypted, _dir) = serve(&ca).await;
    let plain = TestServer::start(Db::sqlite()).await;
    let silence = async |server: &TestServer, transport| {
        let mut stream = TcpStream::connect(server.addr(transport)).await.unwrap();
        stream.read_to_end(&mut Vec::new()).await.map(drop)
    };
    let silence_in_tls = async |transport| {
        let mut stream = TlsClient::new(&ca, None)
            .connect(encrypted.addr(transport))
            .await
            .unwrap();
        stream.read_to_end(&mut Vec::new()).await.map(drop)
    };
    let all = async {
        let _closed = tokio::join!(
            silence(&plain, Transport::Rest),
            silence(&plain, Transport::Grpc),
            silence(&encrypted, Transport::Rest),
            silence(&encrypted, Transport::Grpc),
            silence_in_tls(Transport::Rest),
            silence_in_tls(Transport::Grpc),
        );
    };
    let within = Duration::from_secs(20);
    tokio::time::timeout(within, all).await.expect("all are closed");
}
