//! The differences between SQLite and PostgreSQL that show in statements. Each database states its own, in `sqlite.rs`
//! and `postgres.rs`; everything else in the store is the same for both.

use std::sync::LazyLock;

use sea_orm::{DbBackend, sea_query::SimpleExpr};

/// The statements and functions of one kind of database.
pub(super) struct Dialect {
    pub(super) backend: DbBackend,
    /// Begins a transaction that reads one state of the database.
    pub(super) begin_read: &'static str,
    /// Begins a transaction that writes.
    pub(super) begin_write: &'static str,
    /// The time at which the statement began, in microseconds since 1970.
    pub(super) statement_time: &'static str,
    /// Finds a [stored credential](super::StoredCredential).
    pub(super) find_credential: LazyLock<String>,
    /// Finds the [changes](super::feed) that are visible, and the identity of the database.
    pub(super) head_of_changes: &'static str,
    /// Finds some of the [changes](super::feed) between two times.
    pub(super) slice_of_changes: &'static LazyLock<String>,
    /// Finds the secrets of a row of `oauth_clients` as [JSON](super::secrets::from_json).
    pub(super) secrets_of_client: LazyLock<String>,
    /// Deletes the rows of a table that a query finds, which lacks its columns. The query runs once. Rows that another
    /// transaction deletes are left to it.
    pub(super) delete: fn(&str, &str) -> String,
    /// Takes the lock of a number until the transaction ends, if transactions that write do not wait for one another anyway.
    /// It draws no transaction id, so a transaction that waits is not one that a look has to come back to.
    pub(super) lock_number: Option<&'static str>,
    /// The used assertions in a JSON text, an array of `[tenant, client, digest in hexadecimal, end]`, as rows.
    pub(super) used_assertions: &'static str,
    /// Returns `true` if there is a table of migrations.
    pub(super) has_migrations: &'static str,
    /// Counts the rows for the query planner, where that makes better plans.
    pub(super) analyze: Option<&'static str>,
    /// Explains a query when it stands before it.
    pub(super) explain: &'static str,
    /// The column of the explanation.
    pub(super) explanation: &'static str,
    /// The function that finds a text in another one, and returns its position from 1, or 0.
    pub(super) position_function: &'static str,
    /// The last characters of a text, as many as the number says.
    pub(super) last_characters: fn(SimpleExpr, i32) -> SimpleExpr,
    /// Tells the query planner that few rows are equal.
    pub(super) few_are_equal: fn(SimpleExpr) -> SimpleExpr,
    /// Tells the query planner that most rows match.
    pub(super) most_match: fn(SimpleExpr) -> SimpleExpr,
}
