//! A rolling restart: servers are replaced one after the other, and nothing is lost.

use std::{
    net::SocketAddr,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::support::{eventually, http::COLLECTION, process::Served, raw};

/// The time from SIGTERM to the end of a server, which load balancers have to notice.
const DRAIN_DELAY: &str = "2s";

/// The servers that a load balancer sends requests to: the addresses of those that are ready, as it last knew.
#[derive(Default)]
struct Balancer {
    ready: Mutex<Vec<SocketAddr>>,
    next: AtomicUsize,
}

impl Balancer {
    fn ready(&self) -> Vec<SocketAddr> {
        self.ready.lock().unwrap().clone()
    }

    async fn probe(&self, servers: &Mutex<Vec<SocketAddr>>) {
        let servers = servers.lock().unwrap().clone();
        let mut ready = Vec::new();
        for server in servers {
            if TcpStream::connect(server).await.is_ok() {
                let probe = b"GET /readyz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
                if raw::send(server, probe).await.0 == 200 {
                    ready.push(server);
                }
            }
        }
        *self.ready.lock().unwrap() = ready;
    }

    async fn connect(&self) -> TcpStream {
        eventually("a server is ready", async || {
            let ready = self.ready();
            let next = self.next.fetch_add(1, Ordering::Relaxed);
            let addr = ready.get(next % ready.len().max(1))?;
            TcpStream::connect(addr).await.ok()
        })
        .await
    }
}

/// Sends a request on a connection that is kept, and returns whether it may be kept after the response.
async fn send(connection: &mut TcpStream, token: &str) -> bool {
    let request =
        format!("GET {COLLECTION}?limit=1 HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\n\r\n");
    connection
        .write_all(request.as_bytes())
        .await
        .expect("a connection that is open");
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        let byte = connection.read_u8().await;
        head.push(
            byte.unwrap_or_else(|error| panic!("a request is lost: {error}, {head:?}"))
                .into(),
        );
    }
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.unwrap().parse().unwrap()];
    connection.read_exact(&mut body).await.unwrap();
    !head.contains("connection: close\r\n")
}

fn addr(served: &Served) -> SocketAddr {
    served.rest.trim_start_matches("http://").parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_keeps_its_connections_loses_no_request() {
    // The servers share a development key. A SQLite file has one server, so each has its own.
    let dir = tempfile::tempdir().unwrap();
    let start = async |number: usize| {
        let url = format!("sqlite:{}", dir.path().join(format!("{number}.db")).display());
        let args = [
            "--database-url",
            &url,
            "--tier1-per-minute",
            "0",
            "--drain-delay",
            DRAIN_DELAY,
        ];
        Served::start(dir.path(), &args).await
    };
    let mut old = vec![start(0).await];
    old.push(start(1).await);
    let token = old[0].token.clone();
    let servers = Mutex::new(old.iter().map(addr).collect::<Vec<_>>());
    let (balancer, done) = (Balancer::default(), AtomicBool::new(false));
    let answered = AtomicUsize::new(0);

    let probing = async {
        while !done.load(Ordering::Relaxed) {
            balancer.probe(&servers).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let client = async || {
        while !done.load(Ordering::Relaxed) {
            let mut connection = balancer.connect().await;
            while send(&mut connection, &token).await && !done.load(Ordering::Relaxed) {
                answered.fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    let clients = futures_util::future::join_all((0..8).map(|_| client()));
    let restarts = async {
        let mut running = Vec::new();
        for (number, mut served) in old.into_iter().enumerate() {
            let new = start(number + 2).await;
            servers.lock().unwrap().push(addr(&new));
            eventually("the new server is ready", async || {
                balancer.ready().contains(&addr(&new)).then_some(())
            })
            .await;
            let before = answered.load(Ordering::Relaxed);
            served.terminate().await;
            assert_eq!(served.exit_code().await, Some(0));
            assert!(answered.load(Ordering::Relaxed) > before + 100, "there is load");
            running.push(new);
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        done.store(true, Ordering::Relaxed);
        // They run until the clients have ended.
        running
    };
    tokio::join!(probing, clients, restarts);
}
