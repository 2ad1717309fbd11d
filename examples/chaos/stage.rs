//! A registry, the other tenant's traffic to it, and what became of both during a fault.

use std::{
    path::PathBuf,
    sync::{Arc, atomic::AtomicU64},
};

use sea_orm::DbBackend;
use tokio::{process::Command, runtime::Handle};

use crate::{
    plan::Plan,
    processes::{Limits, Postgres, Server, Sql},
    support::Outcome,
    traffic::{Caller, Tracked, web_client},
};

/// The tenant whose requests are judged.
pub(crate) const OTHER: &str = "other";
/// The tenant of attackers.
pub(crate) const CROWD: &str = "crowd";
/// A prime, so that the reads take the clients, the servers and the kinds of reads in every combination.
const CLIENTS: usize = 11;
/// The database of the shared cluster that the stages use in turn.
pub(crate) const DATABASE: &str = "postgres";
/// The number of subjects of the other tenant. Each has a quota.
pub(crate) const SUBJECTS: usize = 32;

/// Everything that the stages of a run share.
pub(crate) struct Bench {
    pub(crate) plan: Plan,
    pub(crate) binary: PathBuf,
    pub(crate) dir: PathBuf,
    /// The runtime of the other tenant, so that no attacker delays it.
    pub(crate) traffic: Handle,
    pub(crate) postgres: Postgres,
    pub(crate) stages: usize,
}

/// The configuration of a stage.
#[derive(Debug)]
pub(crate) struct Setup {
    /// The URL of the database and its kind; `None` for a new SQLite file.
    pub(crate) postgres_url: Option<String>,
    pub(crate) replicas: usize,
    pub(crate) limits: Limits,
    pub(crate) args: Vec<String>,
    /// The data directory; `None` for a new one.
    pub(crate) dir: Option<PathBuf>,
}

/// Running servers on one database.
pub(crate) struct Stage {
    pub(crate) plan: Plan,
    pub(crate) servers: Vec<Server>,
    pub(crate) clients: Arc<[Tracked]>,
    pub(crate) traffic: Handle,
    database_url: String,
}

/// A kind of database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Database {
    Sqlite,
    Postgres,
}

impl Database {
    pub(crate) const BOTH: [Self; 2] = [Self::Sqlite, Self::Postgres];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            postgres_url: None,
            replicas: 1,
            limits: Limits::default(),
            args: ["--tier1-per-minute=0", "--tier2-per-minute=0"]
                .map(str::to_owned)
                .into(),
            dir: None,
        }
    }
}

impl Bench {
    /// Returns the setup of one server without quotas on a new database of a kind.
    pub(crate) async fn setup(&mut self, database: Database) -> Outcome<Setup> {
        let postgres_url = match database {
            Database::Sqlite => None,
            Database::Postgres => {
                self.empty_database().await?;
                Some(Postgres::url(DATABASE, self.postgres.addr))
            }
        };
        Ok(Setup {
            postgres_url,
            ..Setup::default()
        })
    }

    /// Empties the database of the shared cluster. A new one for each stage would take longer than the stage.
    pub(crate) async fn empty_database(&self) -> Outcome<()> {
        let sql = self.postgres.sql(DATABASE).await?;
        // Statements of the last stage, whose server was killed, may go on for seconds.
        sql.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        .await?;
        sql.execute("TRUNCATE oauth_clients, oauth_client_secrets, oauth_client_changes")
            .await
    }

    /// Creates the schema of the database of the shared cluster.
    pub(crate) async fn migrate(&self) -> Outcome<()> {
        let url = Postgres::url(DATABASE, self.postgres.addr);
        let migrated = Command::new(&self.binary)
            .args(["migrate", "up", "--database-url", &url])
            .env_clear()
            .current_dir(&self.dir)
            .output()
            .await?;
        if migrated.status.success() {
            return Ok(());
        }
        Err(String::from_utf8_lossy(&migrated.stderr).into_owned().into())
    }

    /// Returns the path of a directory that does not exist yet.
    pub(crate) fn new_path(&mut self, name: &str) -> PathBuf {
        self.stages += 1;
        self.dir.join(format!("{name}-{}", self.stages))
    }

    /// Starts the servers, and creates the clients of the other tenant.
    pub(crate) async fn stage(&mut self, setup: Setup) -> Outcome<Stage> {
        let dir = match setup.dir {
            Some(dir) => dir,
            None => self.new_path("data"),
        };
        if !dir.exists() {
            std::fs::create_dir(&dir)?;
        }
        let mut args = setup.args;
        let database_url = setup
            .postgres_url
            .unwrap_or_else(|| format!("sqlite:{}", dir.join("clients.db").display()));
        args.push(format!("--database-url={database_url}"));
        let mut servers = Vec::new();
        for replica in 0..setup.replicas {
            let name = format!("server-{replica}");
            servers.push(Server::start(&self.binary, &dir, &name, args.clone(), setup.limits).await?);
        }
        let first = servers.first().ok_or("no server")?;
        let clients = create_clients(&Caller::of(first, OTHER, 1)?).await?;
        Ok(Stage {
            plan: self.plan,
            servers,
            clients,
            traffic: self.traffic.clone(),
            database_url,
        })
    }
}

impl Stage {
    /// Returns the server that the fault is about.
    pub(crate) fn server(&mut self) -> Outcome<&mut Server> {
        Ok(self.servers.first_mut().ok_or("no server")?)
    }

    /// Returns an attacker with a number of connections.
    pub(crate) fn attackers(&self, connections: usize) -> Outcome<Arc<[Caller]>> {
        let server = self.servers.first().ok_or("no server")?;
        (0..connections).map(|_| Caller::of(server, CROWD, 1)).collect()
    }

    pub(crate) async fn sql(&self) -> Outcome<Sql> {
        Sql::connect(&self.database_url).await
    }

    /// Creates copies of a client of the crowd in the database.
    pub(crate) async fn crowd(&self, count: usize, model: &str) -> Outcome<()> {
        let sql = self.sql().await?;
        let (numbers, id) = match sql.0.get_database_backend() {
            DbBackend::Sqlite => (
                format!(
                    "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count})"
                ),
                "printf('%032x', n)",
            ),
            _ => (
                format!("WITH numbers(n) AS (SELECT generate_series(1, {count}))"),
                "lpad(to_hex(n), 32, '0')",
            ),
        };
        let copied = "version, app_type, description, logo_uri, client_uri, redirect_uris, allowed_origins, \
                      allowed_scopes, allowed_grant_types, allowed_auth_methods, public_keys, consent_method, \
                      created_at, updated_at";
        sql.execute(&format!(
            "INSERT INTO oauth_clients (tenant_id, client_id, client_name, client_name_folded, {copied}) \
             {numbers} SELECT tenant_id, {id}, 'One of a crowd ' || n, 'one of a crowd ' || n, {copied} \
             FROM numbers CROSS JOIN oauth_clients WHERE client_id = '{model}'"
        ))
        .await?;
        sql.execute("ANALYZE").await
    }

    /// Returns the memory that the first server uses, in MiB.
    pub(crate) fn memory_mib(&self) -> Outcome<u64> {
        self.servers.first().ok_or("no server")?.memory_mib()
    }

    pub(crate) fn panics(&self) -> Outcome<usize> {
        self.servers.iter().map(Server::panics).sum()
    }
}

async fn create_clients(caller: &Caller) -> Outcome<Arc<[Tracked]>> {
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let client = caller.create(web_client(Tracked::name(0))).await?;
        clients.push(Tracked {
            id: client.client_id,
            secret: client.client_secret.unwrap_or_default(),
            acknowledged: AtomicU64::new(0),
        });
    }
    Ok(clients.into())
}
