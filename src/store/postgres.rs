//! What is particular to PostgreSQL: how connections are set up, what the server must be like, and the lock that lets one
//! process migrate.

use std::time::Duration;

use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, Statement,
    sqlx::{self, ConnectOptions as _, Connection as _, PgConnection, Row as _, postgres::PgConnectOptions},
};
use uuid::Uuid;

use super::{
    LOCK_TIMEOUT, STATEMENT_TIMEOUT, STATEMENTS_KEPT, driver_error,
    error::{StoreError, Unsuitable},
    url::DatabaseUrl,
};

/// How many connections a server has at most, unless told otherwise.
pub(super) const DEFAULT_CONNECTIONS: u32 = 16;
/// What begins a transaction that reads, and sees one state of the database.
pub(super) const BEGIN_READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
/// What begins a transaction that writes.
pub(super) const BEGIN_WRITE: &str = "BEGIN";
/// How long a transaction in which nothing happens is left open by the database.
const IDLE_IN_TRANSACTION_TIMEOUT: Duration = Duration::from_secs(10);
/// A number that no other user of the database takes for an advisory lock.
const MIGRATION_LOCK: i64 = 0x6f61_7574_6863_6c69;
/// How often the lock is tried again that another process holds.
const LOCK_POLL: Duration = Duration::from_millis(100);

/// Returns the options of a connection. No start-up parameter is sent that a connection pooler refuses by default.
pub(super) fn options(url: &DatabaseUrl) -> Result<PgConnectOptions, sqlx::Error> {
    let options: PgConnectOptions = url.expose().parse()?;
    Ok(options
        .application_name("oauth-clients")
        .extra_float_digits(None)
        .statement_cache_capacity(STATEMENTS_KEPT)
        .disable_statement_logging())
}

/// Opens a connection for serving, on which nothing takes long.
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

/// Refuses a database that this service cannot keep its promises on.
pub(super) async fn check(options: &PgConnectOptions) -> Result<(), StoreError> {
    let mut connection = connect(options).await.map_err(driver_error)?;
    check_encoding(&mut connection).await?;
    check_sessions(&mut connection, options).await?;
    connection.close().await.map_err(driver_error)
}

/// Text is compared by code point, which bytes in another encoding than UTF-8 are not; and some characters could not be
/// stored.
async fn check_encoding(connection: &mut PgConnection) -> Result<(), StoreError> {
    let encoding = first_column(connection, "SHOW server_encoding").await?;
    match encoding {
        Some(encoding) if encoding != "UTF8" => Err(Unsuitable::Encoding { encoding }.into()),
        _ => Ok(()),
    }
}

/// A connection pooler that gives each transaction another session loses prepared statements and the limits on time.
/// It shows when a setting of one connection is seen by another, or lost by its own.
#[expect(clippy::disallowed_methods, reason = "the name only has to be unique")]
async fn check_sessions(connection: &mut PgConnection, options: &PgConnectOptions) -> Result<(), StoreError> {
    const SEEN: &str = "SELECT current_setting('oauth_clients.session', true)";
    let name = Uuid::now_v7().simple().to_string();
    let set = format!("SET oauth_clients.session = '{name}'");
    let named = async |connection: &mut PgConnection| -> Result<bool, StoreError> {
        Ok(first_column(connection, SEEN).await? == Some(name.clone()))
    };
    execute(connection, &set).await?;
    let mut other = connect(options).await.map_err(driver_error)?;
    // The transaction keeps a session of the pooler busy, perhaps the one that was named.
    execute(&mut other, "BEGIN").await?;
    let kept_apart = !named(&mut other).await? && named(connection).await?;
    other.close().await.map_err(driver_error)?;
    if kept_apart {
        Ok(())
    } else {
        Err(Unsuitable::TransactionPooling.into())
    }
}

async fn execute(connection: &mut PgConnection, sql: &str) -> Result<(), StoreError> {
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
        .execute(connection)
        .await
        .map_err(driver_error)?;
    Ok(())
}

/// Returns a text of the one row that an unprepared statement finds.
async fn first_column(
    connection: &mut PgConnection,
    sql: &'static str,
) -> Result<Option<String>, StoreError> {
    let row = sqlx::raw_sql(sql).fetch_one(connection).await;
    row.and_then(|row| row.try_get(0)).map_err(driver_error)
}

/// Waits until no other process migrates, and holds others off until the session ends. Between the tries the session has
/// no snapshot, for which `CREATE INDEX CONCURRENTLY` of the other process would wait in turn.
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
