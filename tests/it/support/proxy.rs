//! A network between a server and its database that can fail.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use super::{Db, TestServer};

/// What the network does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Network {
    Works,
    /// Every connection is closed, and so is each new one.
    Cut,
    /// What is sent never arrives, and no connection is closed: connections that live through it never work again.
    Swallows,
}

/// A TCP proxy. It ends when this is dropped.
pub(crate) struct Proxy {
    pub(crate) addr: SocketAddr,
    network: Arc<AtomicU8>,
    // How many connections there are that work.
    working: Arc<AtomicUsize>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    pub(crate) async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let network = Arc::new(AtomicU8::new(Network::Works as u8));
        let working = Arc::new(AtomicUsize::new(0));
        let (seen, counted) = (network.clone(), working.clone());
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(forward(stream, target, seen.clone(), counted.clone()));
            }
        });
        Self {
            addr,
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
    let db = Db::postgres().await?;
    let (database, name) = db.text().rsplit_once('/').unwrap();
    let (_, host) = database.rsplit_once('@').unwrap();
    let target = tokio::net::lookup_host(host).await.unwrap().next().unwrap();
    let proxy = Proxy::to(target).await;
    let url = database.replace(host, &proxy.addr.to_string());
    let url = format!("{url}/{name}").parse().unwrap();
    let server = TestServer::start_with(db, |config| config.database_url = url).await;
    Some((server, proxy))
}

async fn forward(
    mut stream: TcpStream,
    target: SocketAddr,
    network: Arc<AtomicU8>,
    working: Arc<AtomicUsize>,
) {
    working.fetch_add(1, Ordering::SeqCst);
    let ended = pass_on(&mut stream, target, &network).await;
    working.fetch_sub(1, Ordering::SeqCst);
    if !ended && network.load(Ordering::SeqCst) == Network::Swallows as u8 {
        // The connection stays open, and nobody reads it.
        std::future::pending::<()>().await;
    }
}

/// Passes on what is sent while the network works, and says whether the connection ended before it failed.
async fn pass_on(stream: &mut TcpStream, target: SocketAddr, network: &AtomicU8) -> bool {
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
    tokio::select! {
        _ = copy_bidirectional(stream, &mut database) => true,
        () = failure => false,
    }
}
