//! PostgreSQL: its statements, connections, what makes a database suitable, and the lock for migrating.

use std::{io, sync::LazyLock, time::Duration};

use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, Statement,
    sea_query::Func,
    sqlx::{self, ConnectOptions as _, Connection as _, PgConnection, Row as _, postgres::PgConnectOptions},
};

use super::{
    LOCK_TIMEOUT, STATEMENT_TIMEOUT, STATEMENTS_KEPT, credential,
    dialect::Dialect,
    driver_error,
    error::{StoreError, Unsuitable},
    feed::{POSTGRES_HEAD, POSTGRES_SLICE},
    interrupt::{self, Backend},
    pooler, secrets,
    session::{Prepared, Session},
    url::DatabaseUrl,
};

/// The default of the most connections that a server opens.
pub(crate) const DEFAULT_CONNECTIONS: u32 = 24;
/// The longest that the database leaves a transaction open in which nothing happens.
const IDLE_IN_TRANSACTION_TIMEOUT: Duration = Duration::from_secs(10);
/// The number of the advisory lock for migrating, which no other user of the database takes.
const MIGRATION_LOCK: i64 = 0x6f61_7574_6863_6c69;
/// The number of the advisory lock on the cache fence, which no other user of the database takes.
const FENCE_LOCK: i64 = 0x6f61_7574_6866_656e;
/// The setting of a session that looks for changes, whose statement has parameters that the planner cannot estimate.
pub(super) const PREFER_INDEXES: &str = "SET enable_seqscan = off";
/// The oldest version that has what looking for changes needs, as `server_version_num`.
const MIN_VERSION: u32 = 130_000;
/// The longest that the checks of the database may take.
const CHECK_TIMEOUT: Duration = Duration::from_secs(10);
/// The interval at which a lock is tried that another process holds.
const LOCK_POLL: Duration = Duration::from_millis(100);

/// Aggregates secrets as JSON.
const SECRETS_AS_JSON: &str =
    "json_agg(json_build_array(hint, encode(hash, 'hex'), created_at, created_by))::text";

/// The statements of PostgreSQL.
pub(super) static DIALECT: Dialect = Dialect {
    backend: DbBackend::Postgres,
    begin_read: "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    begin_write: "BEGIN",
    statement_time: "CAST(extract(epoch FROM statement_timestamp()) * 1000000 AS bigint)",
    delete: |table, query| {
        format!("DELETE FROM {table} WHERE ctid = ANY (ARRAY(SELECT ctid {query} FOR UPDATE SKIP LOCKED))")
    },
    head_of_changes: POSTGRES_HEAD,
    slice_of_changes: &POSTGRES_SLICE,
    find_credential: LazyLock::new(|| credential::query(SECRETS_AS_JSON)),
    secrets_of_client: LazyLock::new(|| secrets::of_client(SECRETS_AS_JSON)),
    lock_number: Some("SELECT pg_advisory_xact_lock($1)"),
    used_assertions: "SELECT value ->> 0 AS tenant_id, value ->> 1 AS client_id, decode(value ->> 2, 'hex') AS jti_digest, \
                      CAST(value ->> 3 AS bigint) AS expires_at FROM json_array_elements(CAST($1 AS json))",
    has_migrations: "SELECT to_regclass('seaql_migrations') IS NOT NULL",
    analyze: Some("ANALYZE"),
    explain: "EXPLAIN (COSTS OFF)",
    explanation: "QUERY PLAN",
    position_function: "strpos",
    last_characters: |text, count| Func::cust("right").arg(text).arg(count).into(),
    // Its statistics tell.
    few_are_equal: |comparison| comparison,
    most_match: |comparison| comparison,
};

/// Returns the options of a connection. No start-up parameter is sent that a connection pooler refuses by default.
pub(super) fn options(url: &DatabaseUrl) -> Result<PgConnectOptions, sqlx::Error> {
    let options: PgConnectOptions = url.expose().parse()?;
    Ok(options
        .application_name("oauth-clients")
        .extra_float_digits(None)
        .statement_cache_capacity(STATEMENTS_KEPT)
        .disable_statement_logging())
}

/// The server replays the changes of another one, and may lag behind it.
#[derive(Debug, thiserror::Error)]
#[error("the database server is a standby")]
struct Standby;

/// Opens a connection for requests, with their time limits. A standby is refused, as what it returns may be old. A server
/// never becomes one while a connection lasts.
///
/// A statement has one process, so that the share of the connections that lists have is also their share of the processors.
pub(super) async fn connect(options: &PgConnectOptions) -> Result<(PgConnection, Backend), sqlx::Error> {
    let mut connection = PgConnection::connect_with(options).await?;
    let limits = format!(
        "SET statement_timeout = {}; SET lock_timeout = {}; SET idle_in_transaction_session_timeout = {}; \
         SET max_parallel_workers_per_gather = 0; \
         SELECT pg_is_in_recovery(), {backend}",
        STATEMENT_TIMEOUT.as_millis(),
        LOCK_TIMEOUT.as_millis(),
        IDLE_IN_TRANSACTION_TIMEOUT.as_millis(),
        backend = interrupt::BACKEND,
    );
    let row = sqlx::raw_sql(sqlx::AssertSqlSafe(limits))
        .fetch_one(&mut connection)
        .await?;
    if row.try_get(0)? {
        return Err(sqlx::Error::Io(io::Error::other(Standby)));
    }
    let backend = Backend {
        pid: row.try_get(1)?,
        started_at: row.try_get(2)?,
    };
    Ok((connection, backend))
}

/// Refuses an unsuitable database. Nothing is set in the session, which another connection may get behind a pooler.
pub(super) async fn check(options: &PgConnectOptions) -> Result<(), StoreError> {
    let checks = async {
        let mut connection = PgConnection::connect_with(options).await.map_err(driver_error)?;
        check_version(&show(&mut connection, "server_version_num").await?)?;
        check_encoding(show(&mut connection, "server_encoding").await?)?;
        pooler::check(connection, options).await
    };
    tokio::time::timeout(CHECK_TIMEOUT, checks)
        .await
        .map_err(|_| StoreError::timed_out())?
}

/// Returns a setting of the server.
async fn show(connection: &mut PgConnection, setting: &str) -> Result<String, StoreError> {
    let sql = format!("SHOW {setting}");
    let row = sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
        .fetch_one(connection)
        .await;
    row.and_then(|row| row.try_get(0)).map_err(driver_error)
}

/// Refuses a version without `xid8` and `pg_snapshot`.
fn check_version(number: &str) -> Result<(), Unsuitable> {
    let number: u32 = number.parse().unwrap_or_default();
    if number >= MIN_VERSION {
        Ok(())
    } else {
        Err(Unsuitable::Version {
            major: number / 10_000,
        })
    }
}

/// Refuses an encoding in which text is not ordered by code point, or not every character can be stored.
fn check_encoding(encoding: String) -> Result<(), Unsuitable> {
    if encoding == "UTF8" {
        Ok(())
    } else {
        Err(Unsuitable::Encoding { encoding })
    }
}

/// Waits until no other process migrates, and holds others off until the session ends. Between the tries the session has no
/// snapshot, for which `CREATE INDEX CONCURRENTLY` of the other process would wait in turn.
pub(super) async fn lock_migrations(connection: &impl ConnectionTrait) -> Result<(), DbErr> {
    loop {
        let sql = "SELECT pg_try_advisory_lock($1)";
        let lock = Statement::from_sql_and_values(DbBackend::Postgres, sql, [MIGRATION_LOCK.into()]);
        let row = connection.query_one_raw(lock).await?;
        let locked = row.map(|row| row.try_get_by_index(0)).transpose()?;
        if locked == Some(true) {
            return Ok(());
        }
        tokio::time::sleep(LOCK_POLL).await;
    }
}

/// The mode of a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Share {
    Yes,
    No,
}

/// Tries to lock the cache fence until the session ends.
pub(super) async fn try_lock_fence(session: &mut Session, share: Share) -> Result<bool, DbErr> {
    let sql = match share {
        Share::Yes => "SELECT pg_try_advisory_lock_shared($1)",
        Share::No => "SELECT pg_try_advisory_lock($1)",
    };
    let lock = Statement::from_sql_and_values(DbBackend::Postgres, sql, [FENCE_LOCK.into()]);
    let row = session.query_one(lock, Prepared::Once).await?;
    Ok(row.map(|row| row.try_get_by_index(0)).transpose()? == Some(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_before_13_is_refused() {
        for number in ["130000", "130016", "150008", "180000"] {
            assert!(check_version(number).is_ok(), "{number}");
        }
        for (number, name) in [("120019", "12"), ("90624", "9"), ("", "0")] {
            let error = check_version(number).unwrap_err().to_string();
            assert!(error.starts_with(&format!("its version is {name}")), "{error}");
        }
    }
}
