//! Streams of messages on REST.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use ::http::Request;
use futures_util::stream;
use http_body_util::BodyExt as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket, TcpStream},
    runtime::Runtime,
    sync::mpsc,
    time::timeout,
};
use tonic::{body::Body, transport::Endpoint};
use tower::{Service as _, ServiceExt as _};

use crate::{
    gateway::{
        Gateway,
        tests::streams::{Item, chapter, sent, streaming},
    },
    server::{
        http::{self, Connections},
        lifetime::Lifetime,
        listener::Listener,
        places::Places,
        tracked::{Ends, Transport},
        transports::Transports,
    },
};

/// Far more than a server needs, and less than a test may take.
const LONG: Duration = Duration::from_secs(20);

/// A REST server.
struct Server {
    addr: SocketAddr,
    transports: Transports,
}

impl Server {
    async fn start(gateway: Gateway) -> Self {
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = tcp.local_addr().unwrap();
        let router = axum::Router::new()
            .route("/unary", axum::routing::get(slow))
            .fallback_service(gateway);
        let transport = Transport {
            service: router,
            http2_only: false,
            at_limit: Box::new(|_| None),
            ends: Box::new(|_| Ends::ByItself),
        };
        let connections = Connections {
            places: Places::with_max(10),
            lifetime: Lifetime {
                max_age: LONG,
                idle_timeout: LONG,
                write_timeout: LONG,
                grace: LONG,
            },
        };
        let mut transports = Transports::new();
        transports.spawn(|stop| http::serve(Listener::new(tcp, None), transport, connections, stop));
        Self { addr, transports }
    }

    /// Starts a server with one stream of what is sent.
    async fn with_stream() -> (Self, mpsc::Sender<Item>) {
        let (sender, receiver) = mpsc::channel(1);
        let receiver = Mutex::new(Some(receiver));
        let receiver = Arc::new(receiver);
        let gateway = streaming(move || sent(receiver.lock().unwrap().take().unwrap()));
        (Self::start(gateway).await, sender)
    }
}

/// Responds after other tasks had time to notice that the peer has closed its half.
async fn slow() -> &'static str {
    tokio::time::sleep(Duration::from_millis(300)).await;
    "unary"
}

/// A connection of HTTP/1.1.
struct Http1(TcpStream);

impl Http1 {
    async fn get(server: &Server, path: &str, headers: &str) -> Self {
        let mut connection = Self(TcpStream::connect(server.addr).await.unwrap());
        connection.send(path, headers).await;
        connection
    }

    async fn send(&mut self, path: &str, headers: &str) {
        let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\n{headers}\r\n");
        self.0.write_all(request.as_bytes()).await.unwrap();
    }

    /// Reads until the text has arrived, and returns all that was read.
    async fn read_to(&mut self, text: &str) -> String {
        let mut read = Vec::new();
        while !String::from_utf8_lossy(&read).contains(text) {
            let bytes = timeout(LONG, self.0.read_buf(&mut read))
                .await
                .expect(text)
                .unwrap();
            assert_ne!(
                bytes,
                0,
                "ended without {text:?}: {}",
                String::from_utf8_lossy(&read)
            );
        }
        String::from_utf8(read).unwrap()
    }

    async fn read_to_end(&mut self) -> String {
        let mut read = String::new();
        timeout(LONG, self.0.read_to_string(&mut read))
            .await
            .expect("an end")
            .unwrap();
        read
    }
}

const READ: &str = "/v1/books/a:read";
/// The end of a body whose length is not known before.
const LAST_CHUNK: &str = "0\r\n\r\n";

async fn is_dropped(stream: &mpsc::Sender<Item>) {
    timeout(LONG, stream.closed())
        .await
        .expect("the stream is dropped");
}

#[tokio::test]
async fn a_client_of_http1_that_is_gone_ends_its_stream_at_once() {
    for first in [false, true] {
        let (server, stream) = Server::with_stream().await;
        let mut client = Http1::get(&server, READ, "").await;
        if first {
            stream.send(Ok(chapter(1, 1))).await.unwrap();
            client.read_to("\"number\":1").await;
        } else {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert!(!stream.is_closed());
        drop(client);
        is_dropped(&stream).await;
    }
}

#[tokio::test]
async fn a_client_of_http2_that_resets_its_stream_ends_it_at_once() {
    for first in [false, true] {
        let (server, stream) = Server::with_stream().await;
        let uri = format!("http://{}{READ}", server.addr);
        let mut http2 = Endpoint::from_shared(uri.clone())
            .unwrap()
            .connect()
            .await
            .unwrap();
        let request = Request::get(uri).body(Body::empty()).unwrap();
        let mut response = Box::pin(http2.ready().await.unwrap().call(request));
        if first {
            stream.send(Ok(chapter(1, 1))).await.unwrap();
            let mut response = timeout(LONG, response).await.unwrap().unwrap();
            let line = response.body_mut().frame().await.unwrap().unwrap();
            let line = line.into_data().unwrap();
            assert!(line.starts_with(b"{\"result\":{\"number\":1,"), "{line:?}");
            assert!(!stream.is_closed());
            drop(response);
        } else {
            let waiting = timeout(Duration::from_millis(200), response.as_mut()).await;
            assert!(waiting.is_err() && !stream.is_closed());
            drop(response);
        }
        is_dropped(&stream).await;
    }
}

#[tokio::test]
async fn a_client_that_closes_its_half_is_gone_for_a_stream_only() {
    let (server, stream) = Server::with_stream().await;
    let mut client = Http1::get(&server, READ, "").await;
    stream.send(Ok(chapter(1, 1))).await.unwrap();
    client.read_to("\"number\":1").await;
    client.0.shutdown().await.unwrap();
    is_dropped(&stream).await;

    let mut client = Http1::get(&server, "/unary", "").await;
    client.0.shutdown().await.unwrap();
    assert!(client.read_to_end().await.ends_with("unary"));
}

#[tokio::test]
async fn a_connection_serves_other_requests_after_a_stream() {
    let (server, stream) = Server::with_stream().await;
    let mut client = Http1::get(&server, READ, "").await;
    stream.send(Ok(chapter(1, 1))).await.unwrap();
    client.read_to("\"number\":1").await;
    // Sent while the response to the first is not complete.
    client.send("/unary", "").await;
    client.send("/nothing", "").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    stream.send(Ok(chapter(2, 1))).await.unwrap();
    client.read_to("\"number\":2").await;
    drop(stream);
    let rest = client.read_to("ROUTE_NOT_FOUND").await;
    assert!(
        rest.contains(&format!("{LAST_CHUNK}HTTP/1.1 200 OK\r\n")),
        "{rest}"
    );
    assert!(rest.contains("\r\n\r\nunaryHTTP/1.1 404 Not Found\r\n"), "{rest}");
    // The stream before does not make this one end early.
    client.send("/unary", "").await;
    client.0.shutdown().await.unwrap();
    assert!(client.read_to_end().await.ends_with("unary"));
}

#[tokio::test]
async fn each_line_is_sent_at_once() {
    let (server, stream) = Server::with_stream().await;
    let mut client = Http1::get(&server, READ, "").await;
    for number in 0..5 {
        stream.send(Ok(chapter(number, 1))).await.unwrap();
        client
            .read_to(&format!("\"number\":{number},\"text\":\"x\",\"scan\":\"\"}}}}\n"))
            .await;
    }
}

#[tokio::test]
async fn the_end_of_a_stream_is_marked_in_every_version_of_http1() {
    for (headers, end) in [("connection: close\r\n", LAST_CHUNK), ("", LAST_CHUNK)] {
        let (server, stream) = Server::with_stream().await;
        let mut client = Http1::get(&server, READ, headers).await;
        stream.send(Ok(chapter(1, 1))).await.unwrap();
        drop(stream);
        if headers.is_empty() {
            client.read_to(end).await;
        } else {
            let response = client.read_to_end().await;
            assert!(response.contains("transfer-encoding: chunked\r\n"), "{response}");
            assert!(response.ends_with(end), "{response}");
        }
    }
    let (server, stream) = Server::with_stream().await;
    let mut client = Http1(TcpStream::connect(server.addr).await.unwrap());
    client
        .0
        .write_all(format!("GET {READ} HTTP/1.0\r\n\r\n").as_bytes())
        .await
        .unwrap();
    stream.send(Ok(chapter(1, 1))).await.unwrap();
    drop(stream);
    let response = client.read_to_end().await;
    assert!(
        response.ends_with("\r\n\r\n{\"result\":{\"number\":1,\"text\":\"x\",\"scan\":\"\"}}\n"),
        "{response}"
    );
}

#[tokio::test]
async fn a_slow_reader_holds_its_stream_up_and_loses_nothing() {
    const COUNT: usize = 1_000;
    const LENGTH: usize = 64 * 1024;
    let made = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&made);
    let gateway = streaming(move || {
        let made = Arc::clone(&counted);
        stream::iter((0..COUNT).map(move |number| {
            made.fetch_add(1, Ordering::SeqCst);
            Ok(chapter(number, LENGTH))
        }))
    });
    let server = Server::start(gateway).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(64 * 1024).unwrap();
    let mut client = Http1(socket.connect(server.addr).await.unwrap());
    client.send(READ, "connection: close\r\n").await;
    // Until the server does not make any more.
    let mut before = None;
    let stalled = async {
        while before != Some(made.load(Ordering::SeqCst)) || before == Some(0) {
            before = Some(made.load(Ordering::SeqCst));
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    timeout(LONG, stalled).await.expect("a stall");
    // 16 lines in the HTTP library, and what the kernel takes, which is up to 4 MiB by default.
    let stalled = made.load(Ordering::SeqCst);
    assert!(stalled < 150, "{stalled} messages of 64 KiB");
    let response = client.read_to_end().await;
    let numbers: Vec<&str> = response
        .split("{\"result\":{\"number\":")
        .skip(1)
        .map(|line| line.split(',').next().unwrap())
        .collect();
    assert_eq!(numbers.len(), COUNT);
    assert!(
        numbers
            .iter()
            .enumerate()
            .all(|(index, number)| *number == index.to_string())
    );
    assert!(response.ends_with(LAST_CHUNK));
}

#[tokio::test]
async fn a_stream_outlasts_the_stop_of_its_server_until_its_end() {
    let (server, stream) = Server::with_stream().await;
    let mut client = Http1::get(&server, READ, "").await;
    stream.send(Ok(chapter(1, 1))).await.unwrap();
    client.read_to("\"number\":1").await;
    server.transports.stop();
    let mut ended = Box::pin(server.transports.all_ended());
    timeout(Duration::from_millis(200), &mut ended)
        .await
        .expect_err("the stream is in flight");
    TcpStream::connect(server.addr)
        .await
        .expect_err("nothing new is accepted");
    stream.send(Ok(chapter(2, 1))).await.unwrap();
    client.read_to("\"number\":2").await;
    drop(stream);
    assert!(client.read_to_end().await.ends_with(LAST_CHUNK));
    timeout(LONG, ended).await.expect("the server ends").unwrap();
}

#[test]
fn a_stream_that_is_cut_off_has_no_end() {
    let process = || Runtime::new().unwrap();
    let (clients, servers) = (process(), process());
    let (server, stream) = servers.block_on(Server::with_stream());
    let mut client = clients.block_on(async {
        let mut client = Http1::get(&server, READ, "").await;
        stream.send(Ok(chapter(1, 1))).await.unwrap();
        client.read_to("}}\n\r\n").await;
        client
    });
    // As at the end of `--drain-timeout`.
    drop(servers);
    assert_eq!(clients.block_on(client.read_to_end()), "");
}
