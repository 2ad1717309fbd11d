//! PostgreSQL: its statements, connections, what makes a database suitable, and the lock for migrating.

use std::{sync::LazyLock, time::Duration};

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
    pooler,
    url::DatabaseUrl,
};

/// The default of the most connections that a server opens.
pub(crate) const DEFAULT_CONNECTIONS: u32 = 16;
/// The longest that the database leaves a transaction open in which nothing happens.
const IDLE_IN_TRANSACTION_TIMEOUT: Duration = Duration::from_secs(10);
/// The number of the advisory lock for migrating, which no other user of the database takes.
const MIGRATION_LOCK: i64 = 0x6f61_7574_6863_6c69;
/// The longest that the checks of the database may take.
const CHECK_TIMEOUT: Duration = Duration::from_secs(10);
/// The interval at which a lock is tried that another process holds.
const LOCK_POLL: Duration = Duration::from_millis(100);

/// The statements of PostgreSQL.
pub(super) static DIALECT: Dialect = Dialect {
    backend: DbBackend::Postgres,
    begin_read: "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    begin_write: "BEGIN",
    statement_time: "CAST(extract(epoch FROM statement_timestamp()) * 1000000 AS bigint)",
    find_credential: LazyLock::new(|| {
        credential::query(
            "json_agg(json_build_array(hint, encode(hash, 'hex'), created_at, created_by))::text",
        )
    }),
    has_migrations: "SELECT to_regclass('seaql_migrations') IS NOT NULL",
    analyze: Some("ANALYZE"),
    explain: "EXPLAIN (COSTS OFF)",
    explanation: "QUERY PLAN",
    position_function: "strpos",
    last_characters: |text, count| Func::cust("right").arg(text).arg(count).into(),
    // Its statistics tell.
    few_are_equal: |comparison| comparison,
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

/// Opens a connection for requests, with their time limits.
pub(super) async fn connect(options: &PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
    let mut connection = PgConnection::connect_with(options).await?;
    let limits = format!(
        "SET statement_timeout = {}; SET lock_timeout = {}; SET idle_in_transaction_session_timeout = {}",
        STATEMENT_TIMEOUT.as_millis(),
        LOCK_TIMEOUT.as_millis(),
        IDLE_IN_TRANSACTION_TIMEOUT.as_millis(),
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(limits))
        .execute(&mut connection)
        .await?;
    Ok(connection)
}

/// Refuses an unsuitable database. Nothing is set in the session, which another connection may get behind a pooler.
pub(super) async fn check(options: &PgConnectOptions) -> Result<(), StoreError> {
    let checks = async {
        let mut connection = PgConnection::connect_with(options).await.map_err(driver_error)?;
        check_encoding(&mut connection).await?;
        pooler::check(connection, options).await
    };
    tokio::time::timeout(CHECK_TIMEOUT, checks)
        .await
        .map_err(|_| StoreError::TimedOut)?
}

/// Refuses an encoding in which text is not ordered by code point, or not every character can be stored.
async fn check_encoding(connection: &mut PgConnection) -> Result<(), StoreError> {
    let row = sqlx::raw_sql("SHOW server_encoding").fetch_one(connection).await;
    let encoding: String = row.and_then(|row| row.try_get(0)).map_err(driver_error)?;
    if encoding == "UTF8" {
        Ok(())
    } else {
        Err(Unsuitable::Encoding { encoding }.into())
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
