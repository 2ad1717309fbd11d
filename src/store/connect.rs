//! Connections to SQLite and PostgreSQL, each set up for what this service needs.

use std::{fmt, path::Path, str::FromStr, time::Duration};

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use sea_orm::{
    ConnectOptions, ConnectionTrait as _, Database, DatabaseConnection, DatabaseTransaction, DbBackend,
    DbErr, Statement, TransactionTrait as _,
    sqlx::{
        self, PgConnection, Row as _,
        postgres::PgConnectOptions,
        sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
    },
};
use thiserror::Error;

/// How long a call waits for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a statement waits for a lock.
const LOCK_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a statement may take.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(4);
/// Connections that were idle for so long are tested before they are used, so that a call does not fail because the
/// database was restarted; on a busy connection that would cost a round trip a query.
const TEST_AFTER_IDLE: Duration = Duration::from_millis(500);
/// How long a connection that is given back may take to say that it is alive.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(1);
const SQLITE_READERS: u32 = 4;
const POSTGRES_CONNECTIONS: u32 = 16;
/// Any number that no other user of the database takes for an advisory lock.
const MIGRATION_LOCK: i64 = 0x6f61_7574_6863_6c69;

/// Where the database is. Its `Debug` and `Display` say neither user nor password.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl {
    url: String,
    backend: DbBackend,
}

/// A text says no database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be sqlite:PATH or postgres://USER:PASSWORD@HOST:PORT/DATABASE")]
pub struct InvalidDatabaseUrl;

impl FromStr for DatabaseUrl {
    type Err = InvalidDatabaseUrl;

    fn from_str(text: &str) -> Result<Self, InvalidDatabaseUrl> {
        if text.starts_with("sqlite:") {
            // Each connection would have a memory of its own.
            let in_memory = text.contains(":memory:") || text.contains("mode=memory");
            let path = text.trim_start_matches("sqlite:").trim_start_matches("//");
            let valid = !in_memory && !path.is_empty() && text.parse::<SqliteConnectOptions>().is_ok();
            return valid
                .then(|| Self {
                    url: text.to_owned(),
                    backend: DbBackend::Sqlite,
                })
                .ok_or(InvalidDatabaseUrl);
        }
        let rest = text
            .strip_prefix("postgres://")
            .or_else(|| text.strip_prefix("postgresql://"))
            .ok_or(InvalidDatabaseUrl)?;
        let url = format!("postgres://{rest}");
        match url.parse::<PgConnectOptions>() {
            Ok(_) => Ok(Self {
                url,
                backend: DbBackend::Postgres,
            }),
            Err(_) => Err(InvalidDatabaseUrl),
        }
    }
}

impl DatabaseUrl {
    /// A SQLite file.
    pub fn sqlite_file(path: &Path) -> Self {
        const RESERVED: &AsciiSet = &CONTROLS.add(b'%').add(b'?').add(b'#');
        let path = path.to_string_lossy();
        Self {
            url: format!("sqlite:{}", utf8_percent_encode(&path, RESERVED)),
            backend: DbBackend::Sqlite,
        }
    }

    /// Whether it is a SQLite file.
    pub fn is_sqlite(&self) -> bool {
        self.backend == DbBackend::Sqlite
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What follows `?` may hold a password too, and a password may hold `@`.
        let plain = self.url.split('?').next().unwrap_or_default();
        match (self.backend, plain.rsplit_once('@')) {
            (DbBackend::Postgres, Some((_, place))) => write!(f, "postgres://…@{place}"),
            _ => f.write_str(plain),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

/// Connections for reading and for writing.
pub(super) async fn connect(url: &DatabaseUrl) -> Result<(DatabaseConnection, DatabaseConnection), DbErr> {
    if url.is_sqlite() {
        // The writer first: it makes the file and sets it to WAL.
        let writer = Database::connect(sqlite_options(url, 1)).await?;
        let readers = Database::connect(sqlite_options(url, SQLITE_READERS)).await?;
        Ok((readers, writer))
    } else {
        let connection = Database::connect(postgres_options(url)).await?;
        Ok((connection.clone(), connection))
    }
}

/// Connections for migrating, which may take long: one that holds the lock, and one that works.
pub(super) async fn connect_to_migrate(url: &DatabaseUrl) -> Result<DatabaseConnection, DbErr> {
    let options = if url.is_sqlite() {
        sqlite_options(url, 1)
    } else {
        options(url, 2)
    };
    Database::connect(options).await
}

fn options(url: &DatabaseUrl, connections: u32) -> ConnectOptions {
    let mut options = ConnectOptions::new(url.url.clone());
    options
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_timeout(ACQUIRE_TIMEOUT)
        .sqlx_logging(false)
        .record_stmt_in_spans(false)
        .test_before_acquire_if_idle_for(TEST_AFTER_IDLE);
    options
}

fn sqlite_options(url: &DatabaseUrl, connections: u32) -> ConnectOptions {
    let mut options = options(url, connections);
    options.map_sqlx_sqlite_opts(|options| {
        options
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // An acknowledged write survives a power cut.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(LOCK_TIMEOUT)
    });
    options
}

fn postgres_options(url: &DatabaseUrl) -> ConnectOptions {
    let mut options = options(url, POSTGRES_CONNECTIONS);
    options.set_application_name("oauth-clients");
    options.map_sqlx_postgres_opts(|options| {
        options.options([
            ("statement_timeout", STATEMENT_TIMEOUT.as_millis().to_string()),
            ("lock_timeout", LOCK_TIMEOUT.as_millis().to_string()),
            ("idle_in_transaction_session_timeout", "10000".to_owned()),
        ])
    });
    options.map_sqlx_postgres_pool_opts(|options| {
        options.after_release(|connection, _| {
            Box::pin(async move {
                let clean = tokio::time::timeout(RELEASE_TIMEOUT, is_clean(connection)).await;
                clean.unwrap_or_else(|_| Err(sqlx::Error::PoolTimedOut))
            })
        })
    });
    options
}

/// Whether a connection that is given back answers, and is in no transaction. The pool tests neither well: it waits for
/// the answer for ever, so that connections into a network that swallows everything would be lost to it; and a
/// transaction that was cut off while it began is open without the driver's knowledge.
async fn is_clean(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    // Outside of a transaction every statement is one of its own, and both began at once.
    let query = sqlx::raw_sql("SELECT now() = statement_timestamp()");
    query.fetch_one(connection).await?.try_get(0)
}

/// Holds off other servers that want to migrate a PostgreSQL schema, until the transaction ends.
pub(super) async fn lock_migrations(
    connection: &DatabaseConnection,
) -> Result<Option<DatabaseTransaction>, DbErr> {
    if connection.get_database_backend() != DbBackend::Postgres {
        return Ok(None);
    }
    let transaction = connection.begin().await?;
    let sql = "SELECT pg_advisory_xact_lock($1)";
    let lock = Statement::from_sql_and_values(DbBackend::Postgres, sql, [MIGRATION_LOCK.into()]);
    transaction.execute_raw(lock).await?;
    Ok(Some(transaction))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sqlite_is_set_up_to_lose_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let url = DatabaseUrl::sqlite_file(&dir.path().join("a.db"));
        let (readers, writer) = connect(&url).await.unwrap();
        for connection in [readers, writer] {
            let pragma = async |name: &str| {
                let sql = Statement::from_string(DbBackend::Sqlite, format!("PRAGMA {name}"));
                connection.query_one_raw(sql).await.unwrap().unwrap()
            };
            let mode: String = pragma("journal_mode").await.try_get_by_index(0).unwrap();
            assert_eq!(mode, "wal");
            for (name, value) in [("synchronous", 2), ("foreign_keys", 1), ("busy_timeout", 3_000)] {
                let set: i32 = pragma(name).await.try_get_by_index(0).unwrap();
                assert_eq!(set, value, "{name}");
            }
        }
    }

    #[test]
    fn a_database_is_a_sqlite_file_or_a_postgresql_server() {
        for url in [
            "sqlite:a.db",
            "sqlite:///var/lib/a.db",
            "postgres://u:p@h:5432/d",
            "postgresql://h/d",
        ] {
            assert!(url.parse::<DatabaseUrl>().is_ok(), "{url}");
        }
        for url in [
            "",
            "a.db",
            "mysql://h/d",
            "sqlite:",
            "sqlite::memory:",
            "sqlite:a?mode=memory",
            "postgres://h:x/d",
        ] {
            assert_eq!(url.parse::<DatabaseUrl>(), Err(InvalidDatabaseUrl), "{url}");
        }
    }

    #[test]
    fn neither_user_nor_password_is_ever_printed() {
        for url in [
            "postgres://user:secret@host:5432/db",
            "postgres://host:5432/db?password=secret&user=user",
            "postgres://host:5432/db?password=secret@secret&user=user",
            "postgres://user:secret%40secret@host:5432/db",
        ] {
            let url: DatabaseUrl = url.parse().unwrap();
            for text in [url.to_string(), format!("{url:?}")] {
                assert!(text.contains("host:5432/db"), "{text}");
                assert!(!text.contains("user") && !text.contains("secret"), "{text}");
            }
        }
    }
}
