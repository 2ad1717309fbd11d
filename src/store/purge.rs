//! Purges rows that are old enough, by the clock of the database: it is one for all servers, whose own clocks may differ, or
//! jump.

use std::time::Duration;

use sea_orm::{ConnectionTrait as _, Statement};

use super::{
    Store, assertions::KEPT_AFTER_END, dialect::Dialect, error::StoreError, kept_responses::KEPT,
    work::detached,
};

/// The most rows that one statement deletes, so that none takes long.
const BATCH: u64 = 1_000;

/// A table whose rows are purged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PurgedTable {
    /// The used assertions, by the time at which they expire.
    UsedAssertions,
    /// The change records, by the time of the change.
    ChangeRecords,
    /// The responses to requests with an idempotency key, by the time at which they were kept.
    KeptResponses,
}

/// The age at which the rows of a table are purged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cutoff {
    /// The table.
    pub table: PurgedTable,
    /// The age.
    pub age: Duration,
}

impl Cutoff {
    /// The age at which no server accepts an assertion any more.
    pub const USED_ASSERTIONS: Self = Self {
        table: PurgedTable::UsedAssertions,
        age: KEPT_AFTER_END,
    };

    /// The age at which no retry can expect its response any more.
    pub const KEPT_RESPONSES: Self = Self {
        table: PurgedTable::KeptResponses,
        age: KEPT,
    };

    /// Returns the cutoff of change records that are kept for a time. Memory needs them for longer than an hour.
    pub const fn change_records(kept: Duration) -> Self {
        Self {
            table: PurgedTable::ChangeRecords,
            age: kept,
        }
    }
}

impl PurgedTable {
    /// Returns the name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UsedAssertions => "used_assertions",
            Self::ChangeRecords => "oauth_client_changes",
            Self::KeptResponses => "kept_responses",
        }
    }

    /// Returns the expression that orders the rows by their time and has an index, and the least value that is not old.
    ///
    /// The records are indexed by the minute: an index by the time itself would be one that PostgreSQL may use for lists,
    /// which would then read the records of other tenants.
    fn order(self, now: &str) -> (&'static str, String) {
        match self {
            Self::UsedAssertions => ("expires_at", format!("{now} - $1")),
            Self::KeptResponses => ("created_at", format!("{now} - $1")),
            Self::ChangeRecords => ("time / 60000000", format!("({now} - $1) / 60000000")),
        }
    }

    /// Returns the statement that deletes a batch of the oldest rows, with the age in microseconds as its parameter. The limit
    /// is a literal, as PostgreSQL would otherwise plan for a tenth of all rows.
    fn statement(self, dialect: &Dialect) -> String {
        let table = self.as_str();
        let (order, cutoff) = self.order(dialect.statement_time);
        let old = format!("FROM {table} WHERE {order} < {cutoff} ORDER BY {order} LIMIT {BATCH}");
        (dialect.delete)(table, &old)
    }
}

impl Store {
    /// Deletes up to a thousand rows that are older than a cutoff, the oldest first, and returns their number. Several
    /// servers may do so at once.
    ///
    /// # Errors
    /// If the database cannot be reached.
    pub async fn purge(&self, cutoff: Cutoff) -> Result<u64, StoreError> {
        let store = self.clone();
        detached(|_| async move {
            let dialect = store.dialect;
            let age = i64::try_from(cutoff.age.as_micros()).unwrap_or(i64::MAX);
            let sql = cutoff.table.statement(dialect);
            let delete = Statement::from_sql_and_values(dialect.backend, sql, [age.into()]);
            let connection = store.writer().await?;
            Ok(connection.execute_raw(delete).await?.rows_affected())
        })
        .await
    }

    /// Returns the lines of the query plan of a purge, for tests.
    ///
    /// # Errors
    /// If the database cannot be reached.
    pub async fn explain_purge(&self, table: PurgedTable) -> Result<Vec<String>, StoreError> {
        let store = self.clone();
        detached(|_| async move {
            let dialect = store.dialect;
            let sql = format!("{} {}", dialect.explain, table.statement(dialect));
            let explain = Statement::from_sql_and_values(dialect.backend, sql, [0_i64.into()]);
            let connection = store.reader().await?.without_cache();
            let rows = connection.query_all_raw(explain).await?;
            let lines = rows.iter().map(|row| row.try_get("", dialect.explanation));
            Ok(lines.collect::<Result<_, _>>()?)
        })
        .await
    }
}
