//! A real PgBouncer.

use std::{
    fmt::Write as _,
    fs,
    net::SocketAddr,
    os::unix::fs::MetadataExt as _,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Once,
};

use reqwest::Url;
use tempfile::TempDir;

use super::{Db, eventually, installed::is_installed, redis::free_addr};

/// A PgBouncer in front of the PostgreSQL of the tests. It is killed when this is dropped.
pub(crate) struct PgBouncer {
    addr: SocketAddr,
    dir: TempDir,
    child: Child,
}

impl PgBouncer {
    /// Starts one in front of the server of a database, with settings beside the defaults. `None` where PgBouncer is not
    /// installed, unless `REQUIRE_PGBOUNCER` says that it has to be.
    pub(crate) async fn start(db: &Db, settings: &[(&str, &str)]) -> Option<Self> {
        static SAID: Once = Once::new();
        if !is_installed(program(), "REQUIRE_PGBOUNCER", &SAID) {
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let addr = free_addr();
        write_config(dir.path(), addr, db, settings);
        let child = spawn(dir.path());
        let pooler = Self { addr, dir, child };
        pooler.listens().await;
        Some(pooler)
    }

    /// The URL of a database through the pooler.
    pub(crate) fn url(&self, db: &Db) -> String {
        let mut url = Url::parse(db.text()).unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(self.addr.port())).unwrap();
        url.into()
    }

    /// Ends the pooler, and starts it with other settings at the same address.
    pub(crate) async fn restart_with(&mut self, db: &Db, settings: &[(&str, &str)]) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        write_config(self.dir.path(), self.addr, db, settings);
        self.child = spawn(self.dir.path());
        self.listens().await;
    }

    async fn listens(&self) {
        eventually("PgBouncer listens", async || {
            tokio::net::TcpStream::connect(self.addr).await.ok()
        })
        .await;
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Returns the program, which Debian installs in a folder that is not in every PATH.
fn program() -> &'static str {
    const DEBIAN: &str = "/usr/sbin/pgbouncer";
    if Path::new(DEBIAN).exists() {
        DEBIAN
    } else {
        "pgbouncer"
    }
}

fn write_config(dir: &Path, addr: SocketAddr, db: &Db, settings: &[(&str, &str)]) {
    let url = Url::parse(db.text()).unwrap();
    let (host, port) = (url.host_str().unwrap(), url.port().unwrap_or(5432));
    let users = dir.join("users");
    let mut config = format!(
        "[databases]\n* = host={host} port={port}\n\
         [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {}\nunix_socket_dir =\n\
         auth_type = trust\nauth_file = {}\n",
        addr.port(),
        users.display(),
    );
    for (name, value) in settings {
        writeln!(config, "{name} = {value}").unwrap();
    }
    let password = url.password().unwrap_or_default();
    fs::write(users, format!("\"{}\" \"{password}\"\n", url.username())).unwrap();
    fs::write(dir.join("config"), config).unwrap();
}

fn spawn(dir: &Path) -> Child {
    let mut command = Command::new(program());
    // It does not run as root.
    if fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0) {
        command.args(["-u", "postgres"]);
    }
    command
        .arg(dir.join("config"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}
