//! A network between servers and their database, which can fail or lead elsewhere.

use std::net::SocketAddr;

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

use crate::support::Outcome;

/// A TCP proxy, which ends when this is dropped.
pub(crate) struct Network {
    pub(crate) addr: SocketAddr,
    /// The target of new connections; `None` for a black hole.
    target: watch::Sender<Option<SocketAddr>>,
    accepting: JoinHandle<()>,
}

impl Network {
    pub(crate) async fn to(target: SocketAddr) -> Outcome<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let addr = listener.local_addr()?;
        let (target, seen) = watch::channel(Some(target));
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(forward(stream, seen.clone()));
            }
        });
        Ok(Self {
            addr,
            target,
            accepting,
        })
    }

    /// Forwards nothing more and closes nothing. Connections of before or meanwhile never work again.
    pub(crate) fn swallow(&self) {
        self.target.send_replace(None);
    }

    /// Lets new connections lead to an address. Those to another one end with their server.
    pub(crate) fn lead_to(&self, target: SocketAddr) {
        self.target.send_replace(Some(target));
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn forward(mut stream: TcpStream, mut target: watch::Receiver<Option<SocketAddr>>) {
    let Some(addr) = *target.borrow_and_update() else {
        return swallowed(stream, target).await;
    };
    // If nothing listens there, the connection is closed.
    let Ok(mut database) = TcpStream::connect(addr).await else {
        return;
    };
    tokio::select! {
        _ended = copy_bidirectional(&mut stream, &mut database) => {}
        _swallowed = target.wait_for(Option::is_none) => {}
    }
    if target.borrow().is_none() {
        swallowed(stream, target).await;
    }
}

/// Holds a connection open, without reading it, for as long as there is a network.
async fn swallowed(stream: TcpStream, mut target: watch::Receiver<Option<SocketAddr>>) {
    while target.changed().await.is_ok() {}
    drop(stream);
}
