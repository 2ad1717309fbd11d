//! A network between a server and its database that can fail.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
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
    accepting: JoinHandle<()>,
}

impl Proxy {
    pub(crate) async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let network = Arc::new(AtomicU8::new(Network::Works as u8));
        let seen = network.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(forward(stream, target, seen.clone()));
            }
        });
        Self {
            addr,
            network,
            accepting,
        }
    }

    pub(crate) fn set(&self, network: Network) {
        self.network.store(network as u8, Ordering::SeqCst);
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

async fn forward(mut stream: TcpStream, target: SocketAddr, network: Arc<AtomicU8>) {
    let fails = || network.load(Ordering::SeqCst) != Network::Works as u8;
    if !fails() {
        let mut database = TcpStream::connect(target).await.unwrap();
        let failure = async {
            while !fails() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            _ = copy_bidirectional(&mut stream, &mut database) => return,
            () = failure => {}
        }
    }
    if network.load(Ordering::SeqCst) == Network::Swallows as u8 {
        // The connection stays open, and nobody reads it.
        std::future::pending::<()>().await;
    }
}
