//! What is particular to SQLite: how connections are set up, which files hold the database, and the lock that gives a
//! database to one process.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use sea_orm::sqlx::{
    self, ConnectOptions as _, Connection as _, Row as _, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use thiserror::Error;

use super::{
    LOCK_TIMEOUT, STATEMENTS_KEPT, driver_error,
    error::{StoreError, Unsuitable},
    url::DatabaseUrl,
};

/// How many connections read, unless told otherwise. Beside them there is one that writes, as SQLite has one writer.
pub(crate) const DEFAULT_READERS: u32 = 4;
/// What begins a transaction that reads.
pub(super) const BEGIN_READ: &str = "BEGIN DEFERRED";
/// What begins a transaction that writes: the writer from its first moment, so that it never has to wait half-way.
pub(super) const BEGIN_WRITE: &str = "BEGIN IMMEDIATE";
/// How often a lock that another process holds is tried again.
const LOCK_POLL: Duration = Duration::from_millis(50);

/// Returns the options of a connection to a file.
pub(super) fn options(url: &DatabaseUrl) -> Result<SqliteConnectOptions, sqlx::Error> {
    let options: SqliteConnectOptions = url.expose().parse()?;
    Ok(options
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // An acknowledged write survives a power cut.
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(LOCK_TIMEOUT)
        .statement_cache_capacity(STATEMENTS_KEPT)
        .disable_statement_logging())
}

/// Opens a connection, and makes sure that the database is set up and read, so that all of its files exist.
pub(super) async fn connect(options: &SqliteConnectOptions) -> Result<SqliteConnection, sqlx::Error> {
    let mut connection = SqliteConnection::connect_with(options).await?;
    sqlx::raw_sql("SELECT count(*) FROM sqlite_schema")
        .execute(&mut connection)
        .await?;
    Ok(connection)
}

/// Refuses a file that this service cannot keep its promises on.
pub(super) async fn check(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    // In UTF-16 text is not ordered by code point.
    let query = sqlx::query("PRAGMA encoding").fetch_one(connection).await;
    let encoding: String = query.and_then(|row| row.try_get(0)).map_err(driver_error)?;
    if encoding == "UTF-8" {
        Ok(())
    } else {
        Err(Unsuitable::Encoding { encoding }.into())
    }
}

/// The files of a database as they were when it was opened: the database, its log, and the index of the log. A
/// connection keeps the files that it opened, also when their names lead elsewhere by now: then what it writes is in
/// files that nobody finds.
#[derive(Debug)]
pub(super) struct DatabaseFiles([(PathBuf, Option<FileId>); 3]);

/// A file, whatever its name: the device and the number on it.
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
    /// Names the first that does not.
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

/// The right to serve or to migrate a database, which is for one process at a time on SQLite, and for everybody on
/// PostgreSQL. It ends when this is dropped, and with the process.
#[derive(Debug)]
pub struct Claim(#[expect(dead_code, reason = "its lock ends with it")] Option<File>);

/// The database cannot be claimed.
#[derive(Debug, Error)]
pub enum ClaimError {
    /// Another process serves or migrates it.
    #[error(
        "another process serves or migrates it: SQLite is for one process, which holds the lock on {}", path.display()
    )]
    Held {
        /// The file that is locked.
        path: PathBuf,
    },
    /// The file to lock cannot be opened or locked.
    #[error("{} cannot be locked", path.display())]
    Unlockable {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

impl Claim {
    /// Claims a database, waiting for another process to end for so long at most, or without an end.
    ///
    /// # Errors
    /// If another process still has it, or the file to lock cannot be opened.
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

/// The file whose name is that of another with something after it.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Locks a file, which is made if it is missing and never deleted. `None` if another process has the lock.
fn try_lock(path: &Path) -> Result<Option<File>, ClaimError> {
    let error = |source| ClaimError::Unlockable {
        path: path.to_owned(),
        source,
    };
    let file = OpenOptions::new()
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
