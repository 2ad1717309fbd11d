//! A PostgreSQL cluster.

use std::{
    fs,
    net::SocketAddr,
    os::unix::fs::chown,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use rustix::process::{Signal, geteuid};
use sea_orm::{ConnectOptions, ConnectionTrait as _, Database, DatabaseConnection, Statement};
use tokio::{
    net::TcpListener,
    process::{Child, Command},
    time::{Instant, sleep},
};

use super::{children, id, is_running, signal};
use crate::support::Outcome;

/// The user of PostgreSQL's processes if this one is root's, under which PostgreSQL does not run.
const USER: &str = "postgres";
const START_TIMEOUT: Duration = Duration::from_mins(1);

/// The installation of PostgreSQL, and the user that runs it.
#[derive(Debug, Clone)]
struct Installation {
    programs: PathBuf,
    /// The user and group ids; `None` for those of this process.
    user: Option<(u32, u32)>,
}

/// The durability of the commits of a cluster. Without it, commits do not wait for the disk: only processes die here, never
/// the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    Fsync,
    /// Recovery takes a moment instead of seconds, as it syncs each file of the cluster.
    NoFsync,
}

/// A running cluster.
pub(crate) struct Postgres {
    pub(crate) addr: SocketAddr,
    installation: Installation,
    dir: PathBuf,
    durability: Durability,
    postmaster: Child,
}

impl Postgres {
    /// Creates and starts a cluster in a new directory.
    pub(crate) async fn start(dir: &Path, durability: Durability) -> Outcome<Self> {
        let installation = Installation::find()?;
        installation.create_dir(dir)?;
        let mut initdb = installation.command("initdb", dir);
        run(initdb
            .args(["-U", "postgres", "-A", "trust", "--no-sync", "-D"])
            .arg(dir.join("data")))
        .await?;
        Self::of_data(installation, dir, durability).await
    }

    /// Creates and starts a standby, without which this cluster acknowledges no transaction from then on.
    pub(crate) async fn synchronous_standby(&self, dir: &Path) -> Outcome<Self> {
        self.installation.create_dir(dir)?;
        let mut backup = self.installation.command("pg_basebackup", dir);
        run(backup
            .args([
                "-R",
                "-c",
                "fast",
                "--no-sync",
                "-U",
                "postgres",
                "-h",
                "127.0.0.1",
                "-p",
            ])
            .arg(self.addr.port().to_string())
            .arg("-D")
            .arg(dir.join("data")))
        .await?;
        let standby = Self::of_data(self.installation.clone(), dir, self.durability).await?;
        let sql = self.sql("postgres").await?;
        // Not in a file that the standby has a copy of.
        sql.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            .await?;
        sql.execute("SELECT pg_reload_conf()").await?;
        let started = Instant::now();
        let synchronous = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'";
        while sql.number(synchronous).await? == 0 {
            if started.elapsed() > START_TIMEOUT {
                return Err("the standby does not follow".into());
            }
            sleep(Duration::from_millis(50)).await;
        }
        Ok(standby)
    }

    async fn of_data(installation: Installation, dir: &Path, durability: Durability) -> Outcome<Self> {
        let addr = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
        let postmaster = spawn(&installation, dir, addr, durability)?;
        let cluster = Self {
            addr,
            installation,
            dir: dir.to_owned(),
            durability,
            postmaster,
        };
        cluster.responds().await?;
        Ok(cluster)
    }

    /// Returns the URL of a database, at another address if a proxy stands before it.
    pub(crate) fn url(database: &str, addr: SocketAddr) -> String {
        format!("postgres://postgres@{addr}/{database}?sslmode=disable")
    }

    pub(crate) async fn sql(&self, database: &str) -> Outcome<Sql> {
        Sql::connect(&Self::url(database, self.addr)).await
    }

    /// Kills the postmaster, and waits until its children have noticed.
    pub(crate) async fn kill(&mut self) -> Outcome<()> {
        let children = children(id(&self.postmaster)?)?;
        self.postmaster.kill().await?;
        let started = Instant::now();
        while children.iter().any(|child| is_running(*child)) {
            if started.elapsed() > START_TIMEOUT {
                return Err("PostgreSQL's processes go on without the postmaster".into());
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// Starts a cluster again that has ended.
    pub(crate) async fn start_again(&mut self) -> Outcome<()> {
        self.postmaster = spawn(&self.installation, &self.dir, self.addr, self.durability)?;
        self.responds().await
    }

    /// Makes a primary of a standby.
    pub(crate) async fn promote(&self) -> Outcome<()> {
        self.sql("postgres").await?.execute("SELECT pg_promote()").await
    }

    /// Shuts the cluster down fast, and starts it again.
    pub(crate) async fn restart(&mut self) -> Outcome<()> {
        signal(id(&self.postmaster)?, Signal::INT)?;
        self.postmaster.wait().await?;
        self.start_again().await
    }

    /// Sends a signal to the postmaster.
    pub(crate) fn signal_postmaster(&self, name: Signal) -> Outcome<()> {
        signal(id(&self.postmaster)?, name)
    }

    /// Sends a signal to the postmaster and all that it has started.
    pub(crate) fn signal_all(&self, name: Signal) -> Outcome<()> {
        let postmaster = id(&self.postmaster)?;
        // The postmaster first, so that it does not start another.
        signal(postmaster, name)?;
        for child in children(postmaster)? {
            // It may have ended since.
            let _sent = signal(child, name);
        }
        Ok(())
    }

    /// Waits until the cluster accepts connections.
    async fn responds(&self) -> Outcome<()> {
        let started = Instant::now();
        while self.sql("postgres").await.is_err() {
            if started.elapsed() > START_TIMEOUT {
                let log = fs::read_to_string(self.dir.join("log")).unwrap_or_default();
                return Err(format!("PostgreSQL does not respond: {log}").into());
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // A frozen child would not notice that the postmaster is killed.
        let _resumed = self.signal_all(Signal::CONT);
    }
}

impl Installation {
    fn find() -> Outcome<Self> {
        let packaged = fs::read_dir("/usr/lib/postgresql")
            .into_iter()
            .flatten()
            .flatten()
            .map(|version| version.path().join("bin"));
        let path = std::env::var_os("PATH").unwrap_or_default();
        let programs = packaged
            .chain(std::env::split_paths(&path))
            .find(|dir| dir.join("initdb").is_file() && dir.join("postgres").is_file())
            .ok_or("PostgreSQL is not installed")?;
        let user = if geteuid().is_root() {
            Some(user(USER)?)
        } else {
            None
        };
        Ok(Self { programs, user })
    }

    fn create_dir(&self, dir: &Path) -> Outcome<()> {
        fs::create_dir(dir)?;
        if let Some((user, group)) = self.user {
            chown(dir, Some(user), Some(group))?;
        }
        Ok(())
    }

    fn command(&self, program: &str, dir: &Path) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command
            .current_dir(dir)
            .env_remove("PGDATA")
            .kill_on_drop(true)
            .stdin(Stdio::null());
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        command
    }
}

/// Returns the ids of a user and their group.
fn user(name: &str) -> Outcome<(u32, u32)> {
    let users = fs::read_to_string("/etc/passwd")?;
    let line = users
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{name}:")));
    // After the name: the password, the user and the group (passwd(5)).
    let mut fields = line.ok_or("PostgreSQL's user does not exist")?.split(':').skip(1);
    let mut id = || Outcome::Ok(fields.next().ok_or("/etc/passwd is malformed")?.parse()?);
    Ok((id()?, id()?))
}

fn spawn(
    installation: &Installation,
    dir: &Path,
    addr: SocketAddr,
    durability: Durability,
) -> Outcome<Child> {
    let log = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(dir.join("log"))?;
    let fsync = match durability {
        Durability::Fsync => "fsync=on",
        Durability::NoFsync => "fsync=off",
    };
    let child = installation
        .command("postgres", dir)
        .arg("-D")
        .arg(dir.join("data"))
        .args(["-h", "127.0.0.1", "-p", &addr.port().to_string(), "-k"])
        .arg(dir)
        .args(["-c", "max_connections=200", "-c", fsync])
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()?;
    Ok(child)
}

async fn run(command: &mut Command) -> Outcome<()> {
    let output = command.output().await?;
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned().into())
}

/// A connection to a database, on either kind.
pub(crate) struct Sql(pub(crate) DatabaseConnection);

impl Sql {
    pub(crate) async fn connect(url: &str) -> Outcome<Self> {
        let mut options = ConnectOptions::new(url);
        options
            .max_connections(1)
            .connect_timeout(Duration::from_secs(5))
            .sqlx_logging(false);
        Ok(Self(Database::connect(options).await?))
    }

    pub(crate) async fn execute(&self, sql: &str) -> Outcome<()> {
        self.0.execute_unprepared(sql).await?;
        Ok(())
    }

    /// Returns the first column of the one row of a query.
    pub(crate) async fn number(&self, sql: &str) -> Outcome<i64> {
        let query = Statement::from_string(self.0.get_database_backend(), sql);
        let row = self.0.query_one_raw(query).await?.ok_or("no row")?;
        Ok(row.try_get_by_index(0)?)
    }
}
