//! A Redis, which keeps nothing.

use std::{net::SocketAddr, path::Path, process::Stdio, time::Duration};

use rustix::process::Signal;
use tokio::{
    net::{TcpListener, TcpStream},
    process::{Child, Command},
    time::sleep,
};

use super::{id, is_installed, signal};
use crate::support::Outcome;

/// A running `redis-server`.
pub(crate) struct Redis {
    pub(crate) addr: SocketAddr,
    child: Child,
}

impl Redis {
    /// Starts a Redis, or returns `None` if it is not installed.
    pub(crate) async fn start(dir: &Path) -> Outcome<Option<Self>> {
        if !is_installed("redis-server") {
            return Ok(None);
        }
        let addr = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
        let child = spawn(addr, dir)?;
        let redis = Self { addr, child };
        redis.listens().await?;
        Ok(Some(redis))
    }

    pub(crate) async fn kill(&mut self) -> Outcome<()> {
        Ok(self.child.kill().await?)
    }

    pub(crate) async fn restart(&mut self, dir: &Path) -> Outcome<()> {
        self.child = spawn(self.addr, dir)?;
        self.listens().await
    }

    pub(crate) fn signal(&self, name: Signal) -> Outcome<()> {
        signal(id(&self.child)?, name)
    }

    async fn listens(&self) -> Outcome<()> {
        for _ in 0..500 {
            if TcpStream::connect(self.addr).await.is_ok() {
                return Ok(());
            }
            sleep(Duration::from_millis(20)).await;
        }
        Err("redis-server does not listen".into())
    }
}

fn spawn(addr: SocketAddr, dir: &Path) -> Outcome<Child> {
    let child = Command::new("redis-server")
        .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
        .args(["--port", &addr.port().to_string()])
        .current_dir(dir)
        .kill_on_drop(true)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    Ok(child)
}
