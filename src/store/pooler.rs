//! Detection of connection poolers that share sessions, as PgBouncer does in its modes "transaction" and "statement". Behind
//! one, a connection may execute a statement that another has prepared under the same name, and lose its time limits.

use std::time::Duration;

use sea_orm::sqlx::{self, Connection as _, PgConnection, Row as _, postgres::PgConnectOptions};
use uuid::Uuid;

use super::{
    driver_error,
    error::{StoreError, Unsuitable},
};

/// The longest that a session may take to end, or to be reset, after its connection.
const END_TIMEOUT: Duration = Duration::from_secs(5);
/// The interval at which it is looked for.
const POLL: Duration = Duration::from_millis(20);

/// Checks that a session belongs to one connection: it is the same for the next statement, and ends with the connection.
/// This does not depend on which session a pooler happens to choose.
///
/// # Errors
/// If sessions are shared, or the database cannot be reached.
pub(super) async fn check(
    mut connection: PgConnection,
    options: &PgConnectOptions,
) -> Result<(), StoreError> {
    let lock = SessionLock::new();
    run(&mut connection, lock.acquire()).await?;
    let kept = run(&mut connection, lock.is_mine()).await? == Some(true);
    connection.close().await.map_err(driver_error)?;

    let mut other = PgConnection::connect_with(options).await.map_err(driver_error)?;
    let ended = lock.is_released(&mut other).await?;
    other.close().await.map_err(driver_error)?;
    if kept && ended {
        Ok(())
    } else {
        Err(Unsuitable::TransactionPooling.into())
    }
}

/// An advisory lock. It belongs to a session, whose end or reset releases it, and every session sees its holder. Its number
/// is random, so no other process waits for one that is left behind.
struct SessionLock {
    class: u128,
    object: u128,
}

impl SessionLock {
    #[expect(clippy::disallowed_methods, reason = "the number only has to be unique")]
    fn new() -> Self {
        let random = Uuid::now_v7().as_u128();
        // Two positive integers of PostgreSQL.
        Self {
            class: random >> 32 & 0x7fff_ffff,
            object: random & 0x7fff_ffff,
        }
    }

    fn acquire(&self) -> String {
        format!("SELECT pg_try_advisory_lock({}, {})", self.class, self.object)
    }

    /// Returns a query that finds `true` if its own session holds the lock, and no row if no session does.
    fn is_mine(&self) -> String {
        format!("SELECT pid = pg_backend_pid() {}", self.holder())
    }

    /// Returns a query that also releases the lock if its own session holds it.
    fn was_mine(&self) -> String {
        format!(
            "SELECT CASE WHEN pid = pg_backend_pid() THEN pg_advisory_unlock({}, {}) ELSE false END {}",
            self.class,
            self.object,
            self.holder()
        )
    }

    fn holder(&self) -> String {
        format!(
            "FROM pg_locks WHERE locktype = 'advisory' AND classid = {} AND objid = {} AND objsubid = 2",
            self.class, self.object
        )
    }

    /// Waits until no session holds the lock. Returns `false` if one still does, or if it is the session of the connection
    /// itself.
    async fn is_released(&self, connection: &mut PgConnection) -> Result<bool, StoreError> {
        let polling = async {
            loop {
                match run(connection, self.was_mine()).await? {
                    None => return Ok(true),
                    Some(true) => return Ok(false),
                    Some(false) => tokio::time::sleep(POLL).await,
                }
            }
        };
        tokio::time::timeout(END_TIMEOUT, polling)
            .await
            .unwrap_or(Ok(false))
    }
}

/// Returns the first column of the row that an unprepared statement finds, if there is one.
async fn run(connection: &mut PgConnection, sql: String) -> Result<Option<bool>, StoreError> {
    let row = sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
        .fetch_optional(connection)
        .await;
    row.and_then(|row| row.map(|row| row.try_get(0)).transpose())
        .map_err(driver_error)
}
