//! A network between a server and its database, which can fail, and sees what is sent.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicUsize, Ordering},
    },
    time::Duration,
};

use oauth_clients::config::ServerConfig;
use tokio::{
    io::{self, AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    task::JoinHandle,
};

use super::{
    Db, TestServer,
    wire::{Recorder, Recording},
};

/// The state of the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Network {
    Works,
    /// Every connection is closed, and so is each new one.
    Cut,
    /// Nothing arrives and no connection is closed. Connections that were open during this state never work again.
    Swallows,
}

/// A TCP proxy to PostgreSQL. It ends when this is dropped.
pub(crate) struct Proxy {
    pub(crate) addr: SocketAddr,
    /// The messages that were sent to PostgreSQL.
    pub(crate) sent: Recording,
    network: Arc<AtomicU8>,
    // The number of connections that work.
    working: Arc<AtomicUsize>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    pub(crate) async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let network = Arc::new(AtomicU8::new(Network::Works as u8));
        let working = Arc::new(AtomicUsize::new(0));
        let sent = Recording::default();
        let (seen, counted, recording) = (network.clone(), working.clone(), sent.clone());
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let recorder = recording.connection();
                tokio::spawn(forward(stream, target, seen.clone(), counted.clone(), recorder));
            }
        });
        Self {
            addr,
            sent,
            network,
            working,
            accepting,
        }
    }

    /// From the return on, nothing goes through a network that does not work.
    pub(crate) async fn set(&self, network: Network) {
        self.network.store(network as u8, Ordering::SeqCst);
        while network != Network::Works && self.working.load(Ordering::SeqCst) > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// A server, and the network to its PostgreSQL, if there is one.
pub(crate) async fn server_behind_proxy() -> Option<(TestServer, Proxy)> {
    server_behind_proxy_with(|_| {}).await
}

pub(crate) async fn server_behind_proxy_with(
    configure: impl FnOnce(&mut ServerConfig),
) -> Option<(TestServer, Proxy)> {
    let db = Db::postgres().await?;
    let (database, name) = db.text().rsplit_once('/').unwrap();
    let (_, host) = database.rsplit_once('@').unwrap();
    let target = tokio::net::lookup_host(host).await.unwrap().next().unwrap();
    let proxy = Proxy::to(target).await;
    let url = database.replace(host, &proxy.addr.to_string());
    // Encrypted messages cannot be recorded.
    let url = format!("{url}/{name}?sslmode=disable").parse().unwrap();
    let server = TestServer::start_with(db, |config| {
        config.database_url = url;
        configure(config);
    });
    Some((server.await, proxy))
}

async fn forward(
    mut stream: TcpStream,
    target: SocketAddr,
    network: Arc<AtomicU8>,
    working: Arc<AtomicUsize>,
    recorder: Recorder,
) {
    working.fetch_add(1, Ordering::SeqCst);
    let ended = pass_on(&mut stream, target, &network, recorder).await;
    working.fetch_sub(1, Ordering::SeqCst);
    if !ended && network.load(Ordering::SeqCst) == Network::Swallows as u8 {
        // The connection stays open, and nobody reads it.
        std::future::pending::<()>().await;
    }
}

/// Passes on what is sent while the network works, and says whether the connection ended before it failed.
async fn pass_on(
    stream: &mut TcpStream,
    target: SocketAddr,
    network: &AtomicU8,
    mut recorder: Recorder,
) -> bool {
    let fails = || network.load(Ordering::SeqCst) != Network::Works as u8;
    if fails() {
        return false;
    }
    let mut database = TcpStream::connect(target).await.unwrap();
    let failure = async {
        while !fails() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let (from_server, to_server) = stream.split();
    let (from_database, to_database) = database.split();
    let both = async {
        tokio::try_join!(
            copy(from_server, to_database, |bytes| recorder.record(bytes)),
            copy(from_database, to_server, |_| {}),
        )
    };
    tokio::select! {
        _ = both => true,
        () = failure => false,
    }
}

/// Passes on what is sent one way, until it ends.
async fn copy(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, mut see: impl FnMut(&[u8])) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let length = from.read(&mut buffer).await?;
        if length == 0 {
            return to.shutdown().await;
        }
        see(&buffer[..length]);
        to.write_all(&buffer[..length]).await?;
    }
}
