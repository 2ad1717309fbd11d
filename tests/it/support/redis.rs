//! A real Redis.

use std::{
    net::{SocketAddr, TcpListener},
    process::{Child, Command, Stdio},
    sync::Once,
};

use redis::{Client, FromRedisValue, RedisResult};
use tempfile::TempDir;

use super::{eventually, installed::is_installed};

/// A `redis-server` of a test, which keeps nothing. It is killed when this is dropped.
pub(crate) struct Redis {
    pub(crate) addr: SocketAddr,
    dir: TempDir,
    args: Vec<String>,
    child: Child,
}

impl Redis {
    /// Starts a Redis, or returns `None` if `redis-server` is not installed and not required by `REQUIRE_REDIS`.
    pub(crate) async fn start() -> Option<Self> {
        Self::start_with(|port, _| vec!["--port".to_owned(), port.to_string()]).await
    }

    /// With the arguments for a port and a directory.
    pub(crate) async fn start_with(args: impl FnOnce(u16, &TempDir) -> Vec<String>) -> Option<Self> {
        static SAID: Once = Once::new();
        if !is_installed("redis-server", "REQUIRE_REDIS", &SAID) {
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let addr = free_addr();
        let args = args(addr.port(), &dir);
        let child = spawn(&dir, &args);
        let redis = Self {
            addr,
            dir,
            args,
            child,
        };
        redis.listens().await;
        Some(redis)
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.addr)
    }

    async fn listens(&self) {
        eventually("redis-server listens", async || {
            tokio::net::TcpStream::connect(self.addr).await.ok()
        })
        .await;
    }

    /// Kills the server.
    pub(crate) fn stop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts the server again, on the same port.
    pub(crate) async fn restart(&mut self) {
        self.child = spawn(&self.dir, &self.args);
        self.listens().await;
    }

    /// Lets the server hang, or go on: `STOP` or `CONT`.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let kill = Command::new("kill").args([&format!("-{name}"), &pid]).status();
        assert!(kill.unwrap().success());
    }

    /// Asks the server something.
    pub(crate) async fn ask<T: FromRedisValue>(&self, command: &[&str]) -> T {
        let answer: RedisResult<T> = async {
            let client = Client::open(self.url())?;
            let mut connection = client.get_multiplexed_async_connection().await?;
            let (name, args) = command.split_first().unwrap();
            redis::cmd(name).arg(args).query_async(&mut connection).await
        }
        .await;
        answer.unwrap()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn spawn(dir: &TempDir, args: &[String]) -> Child {
    Command::new("redis-server")
        .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
        .args(args)
        .current_dir(dir.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// An address at which nothing listens.
pub(crate) fn free_addr() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}
