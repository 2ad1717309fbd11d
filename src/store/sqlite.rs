//! SQLite: its statements, connections, files, and the lock that gives a database to one process.

use std::{
    fs::{File, TryLockError},
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::LazyLock,
    time::Duration,
};

use sea_orm::{
    DbBackend,
    sea_query::Func,
    sqlx::{
        self, ConnectOptions as _, Connection as _, Row as _, SqliteConnection,
        sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
    },
};
use thiserror::Error;

use crate::io::private;

use super::{
    LOCK_TIMEOUT, STATEMENTS_KEPT, credential,
    dialect::Dialect,
    driver_error,
    error::{StoreError, Unsuitable},
    feed::{SQLITE_HEAD, SQLITE_SLICE},
    secrets,
    session::connection_error,
    url::DatabaseUrl,
};

/// The default number of connections that read. Beside them there is one that writes, as SQLite has one writer.
pub(crate) const DEFAULT_READERS: u32 = 16;
/// The interval at which a lock is tried that another process holds.
const LOCK_POLL: Duration = Duration::from_millis(50);

/// Aggregates secrets as JSON.
const SECRETS_AS_JSON: &str = "json_group_array(json_array(hint, hex(hash), created_at, created_by))";

/// The statements of SQLite.
pub(super) static DIALECT: Dialect = Dialect {
    backend: DbBackend::Sqlite,
    begin_read: "BEGIN DEFERRED",
    // Takes the write lock at once, so that no later statement waits for it.
    begin_write: "BEGIN IMMEDIATE",
    statement_time: "CAST(unixepoch('subsec') * 1000000 AS INTEGER)",
    delete: |table, query| format!("DELETE FROM {table} WHERE rowid IN (SELECT rowid {query})"),
    head_of_changes: SQLITE_HEAD,
    slice_of_changes: &SQLITE_SLICE,
    find_credential: LazyLock::new(|| credential::query(SECRETS_AS_JSON)),
    secrets_of_client: LazyLock::new(|| secrets::of_client(SECRETS_AS_JSON)),
    lock_number: None,
    used_assertions: "SELECT value ->> 0 AS tenant_id, value ->> 1 AS client_id, unhex(value ->> 2) AS jti_digest, \
                      value ->> 3 AS expires_at FROM json_each($1)",
    has_migrations: "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'seaql_migrations')",
    // With statistics, SQLite may skip through the tenants instead of looking one up.
    analyze: None,
    explain: "EXPLAIN QUERY PLAN",
    explanation: "detail",
    position_function: "instr",
    last_characters: |text, count| Func::cust("substr").arg(text).arg(-count).into(),
    // Without statistics, SQLite expects so many names to be equal that it would rather walk the tenant's clients in the
    // order of the list.
    few_are_equal: |comparison| Func::cust("unlikely").arg(comparison).into(),
    most_match: |comparison| Func::cust("likely").arg(comparison).into(),
};

/// Returns the options of a connection to a file, which do not change the file.
pub(super) fn options(url: &DatabaseUrl) -> Result<SqliteConnectOptions, sqlx::Error> {
    let options: SqliteConnectOptions = url.expose().parse()?;
    Ok(options
        .create_if_missing(true)
        // An acknowledged write survives a power cut.
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(LOCK_TIMEOUT)
        .statement_cache_capacity(STATEMENTS_KEPT)
        .disable_statement_logging())
}

/// Opens a connection, sets the database to WAL, and reads from it, so that all of its files exist.
pub(super) async fn connect(options: &SqliteConnectOptions) -> Result<SqliteConnection, sqlx::Error> {
    let options = options.clone().journal_mode(SqliteJournalMode::Wal);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    sqlx::raw_sql("SELECT count(*) FROM sqlite_schema")
        .execute(&mut connection)
        .await?;
    Ok(connection)
}

/// Refuses an unsuitable file, and leaves it as it is. A missing file is created, for its owner alone: SQLite gives the files
/// beside it the same permissions.
pub(super) async fn check(options: &SqliteConnectOptions) -> Result<(), StoreError> {
    let path = options.get_filename();
    // If this fails for another reason than that the file exists, SQLite reports it.
    let _created = private::file_options().write(true).create_new(true).open(path);
    let connection = SqliteConnection::connect_with(options).await;
    let mut connection = connection.map_err(connection_error)?;
    // In UTF-16 text is not ordered by code point.
    let query = sqlx::query("PRAGMA encoding").fetch_one(&mut connection).await;
    let encoding: String = query.and_then(|row| row.try_get(0)).map_err(driver_error)?;
    connection.close().await.map_err(driver_error)?;
    if encoding == "UTF-8" {
        Ok(())
    } else {
        Err(Unsuitable::Encoding { encoding }.into())
    }
}

/// The files of a database as they were when it was opened: the database, its log, and the index of the log. A connection
/// goes on using the files that it opened when their names lead elsewhere, and then writes to files that no other process
/// finds.
#[derive(Debug)]
pub(super) struct DatabaseFiles([(PathBuf, Option<FileId>); 3]);

/// The identity of a file, whatever its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileId {
    device: u64,
    inode: u64,
}

/// A file of the database is no longer the one that was opened.
#[derive(Debug, Error)]
#[error("{} was deleted or replaced while the server runs: restart the server", path.display())]
pub(super) struct FileReplaced {
    path: PathBuf,
}

impl DatabaseFiles {
    /// Finds the files of a database that is open.
    pub(super) fn of(database: &Path) -> Self {
        let suffixes = ["", "-wal", "-shm"];
        Self(suffixes.map(|suffix| {
            let path = beside(database, suffix);
            let id = FileId::of(&path);
            (path, id)
        }))
    }

    /// Checks that the names still lead to the same files.
    ///
    /// # Errors
    /// The first name that does not.
    pub(super) fn verify(&self) -> Result<(), FileReplaced> {
        match self.0.iter().find(|(path, id)| FileId::of(path) != *id) {
            None => Ok(()),
            Some((path, _)) => Err(FileReplaced { path: path.clone() }),
        }
    }
}

impl FileId {
    fn of(path: &Path) -> Option<Self> {
        let metadata = path.metadata().ok()?;
        Some(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        })
    }
}

/// The right to serve or to migrate a database. On SQLite one process has it at a time, on PostgreSQL every process. It
/// ends when this is dropped, and with the process.
#[derive(Debug)]
pub struct Claim(#[expect(dead_code, reason = "dropping it unlocks it")] Option<File>);

/// The database cannot be claimed.
#[derive(Debug, Error)]
pub enum ClaimError {
    /// Another process serves or migrates it.
    #[error(
        "another process serves or migrates it: SQLite is for one process, which holds the lock on {}", path.display()
    )]
    Held {
        /// The lock file.
        path: PathBuf,
    },
    /// The lock file cannot be opened or locked.
    #[error("{} cannot be locked", path.display())]
    Unlockable {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

impl Claim {
    /// Claims a database, waiting up to `patience` for another process to end, or without a limit.
    ///
    /// # Errors
    /// If another process still has the claim, or the lock file cannot be opened.
    pub async fn acquire(url: &DatabaseUrl, patience: Option<Duration>) -> Result<Self, ClaimError> {
        let Some(database) = url.sqlite_path() else {
            return Ok(Self(None));
        };
        let path = beside(&database, ".lock");
        let locked = async {
            loop {
                if let Some(lock) = try_lock(&path)? {
                    return Ok(Self(Some(lock)));
                }
                tokio::time::sleep(LOCK_POLL).await;
            }
        };
        match patience {
            None => locked.await,
            Some(patience) => match tokio::time::timeout(patience, locked).await {
                Ok(claim) => claim,
                Err(_) => Err(ClaimError::Held { path: path.clone() }),
            },
        }
    }
}

/// Returns the path of the file beside another one, whose name has a suffix.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Locks a file, which is created if it is missing, and never deleted. Returns `None` if another process has the lock.
fn try_lock(path: &Path) -> Result<Option<File>, ClaimError> {
    let error = |source| ClaimError::Unlockable {
        path: path.to_owned(),
        source,
    };
    let file = private::file_options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(error)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(source)) => Err(error(source)),
    }
}
