//! Errors of the store, in the terms of its callers.

use std::sync::Arc;

use sea_orm::{ConnAcquireErr, DbErr, RuntimeErr, sqlx};
use thiserror::Error;

use crate::telemetry::metrics::{self, DatabaseError, Work};

/// An error of the store.
#[derive(Debug, Clone, Error)]
pub enum StoreError {
    /// The tenant has no such client.
    #[error("the tenant has no such client")]
    ClientNotFound,
    /// A concurrent change of the client won. Nothing was written.
    #[error("a concurrent change of the client won")]
    ConcurrentChange,
    /// The idempotency key is that of another request. Nothing was written.
    #[error("the idempotency key is that of another request")]
    RequestIdReused,
    /// The database cannot be reached, is overloaded, or cannot write at the moment.
    #[error("the database cannot be reached")]
    Unavailable(#[source] DbErr),
    /// The database did not answer in time.
    #[error("the database did not answer in time")]
    TimedOut,
    /// The database took too long for a statement, and was interrupted.
    #[error("the database took too long")]
    Interrupted(#[source] DbErr),
    /// Too many requests wait for their turn at the database, or that of this one did not come in time.
    #[error("too many requests wait for the database ({})", .0.as_str())]
    Overloaded(Work),
    /// A row holds a value that this service never writes.
    #[error("a record is corrupt")]
    Corrupt(#[source] Corrupt),
    /// A kept response cannot be decrypted or decoded.
    #[error("a record is corrupt: kept_responses.response is not what was written")]
    CorruptResponse,
    /// The database refused a statement that it should accept: a bug.
    #[error("the database refused a statement")]
    Database(#[source] DbErr),
    /// The database is not suitable for this service.
    #[error(transparent)]
    Unsuitable(#[from] Unsuitable),
}

/// An unsuitable database.
#[derive(Debug, Clone, Error)]
pub enum Unsuitable {
    /// Its text is not in UTF-8.
    #[error("its encoding is {encoding}, and must be UTF-8: create the database with that encoding")]
    Encoding {
        /// The encoding, by the name that the database gives it.
        encoding: String,
    },
    /// Its version has no `xid8` and no `pg_snapshot`, by which changes are found.
    #[error("its version is {major}, and must be 13 or later")]
    Version {
        /// The number of the major version.
        major: u32,
    },
    /// Connections share sessions, with prepared statements and time limits of one another.
    #[error(
        "it is behind a connection pooler that shares sessions between connections: in PgBouncer, set pool_mode = session \
         and leave server_reset_query as it is"
    )]
    TransactionPooling,
}

/// A row holds a value that this service never writes.
#[derive(Debug, Clone, Error)]
#[error("{table}.{column} of the client {client_id} has a value that is never written")]
pub struct Corrupt {
    /// The table.
    pub table: &'static str,
    /// The column.
    pub column: &'static str,
    /// The client that the row belongs to.
    pub client_id: String,
}

/// An error of a change of a client.
#[derive(Debug, Error)]
pub enum UpdateError<E> {
    /// The change is not allowed. Nothing was written.
    #[error("the change is refused")]
    Refused(#[source] E),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl<E> UpdateError<E> {
    /// Returns `true` if the transaction certainly wrote nothing.
    pub(super) fn nothing_was_written(&self) -> bool {
        matches!(
            self,
            Self::Refused(_)
                | Self::Store(
                    StoreError::ClientNotFound
                        | StoreError::ConcurrentChange
                        | StoreError::RequestIdReused
                        | StoreError::Corrupt(_)
                        | StoreError::CorruptResponse
                )
        )
    }
}

impl<E> From<DbErr> for UpdateError<E> {
    fn from(error: DbErr) -> Self {
        Self::Store(error.into())
    }
}

impl StoreError {
    /// Creates the error of a database that did not answer in time.
    pub(super) fn timed_out() -> Self {
        metrics::database_failed(DatabaseError::TimedOut);
        Self::TimedOut
    }

    /// Creates the error of a kept response that is not what was written.
    pub(super) fn corrupt_response() -> Self {
        metrics::database_failed(DatabaseError::Corrupt);
        Self::CorruptResponse
    }
}

impl From<Corrupt> for StoreError {
    fn from(error: Corrupt) -> Self {
        metrics::database_failed(DatabaseError::Corrupt);
        Self::Corrupt(error)
    }
}

/// Translates an error of the driver, and counts it.
impl From<DbErr> for StoreError {
    fn from(error: DbErr) -> Self {
        let kind = kind(&error);
        metrics::database_failed(match kind {
            Kind::Away => match error {
                DbErr::ConnectionAcquire(ConnAcquireErr::Timeout) => DatabaseError::NoConnection,
                _ => DatabaseError::Unavailable,
            },
            Kind::Interrupted => DatabaseError::TimedOut,
            Kind::Conflict => DatabaseError::Conflict,
            Kind::OtherSession => DatabaseError::Unsuitable,
            Kind::Other => DatabaseError::Refused,
        });
        match kind {
            Kind::Away => Self::Unavailable(error),
            Kind::Interrupted => Self::Interrupted(error),
            Kind::Conflict => Self::ConcurrentChange,
            Kind::OtherSession => Self::Unsuitable(Unsuitable::TransactionPooling),
            Kind::Other => Self::Database(error),
        }
    }
}

/// Translates an error of the driver.
pub(super) fn driver_error(error: sqlx::Error) -> StoreError {
    DbErr::Query(RuntimeErr::SqlxError(Arc::new(error))).into()
}

enum Kind {
    Away,
    Interrupted,
    Conflict,
    /// A statement that was prepared in this session is not there, or one that was not is.
    OtherSession,
    Other,
}

fn kind(error: &DbErr) -> Kind {
    match error {
        DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => Kind::Away,
        DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error)) => {
            match &**error {
                sqlx::Error::Io(_)
                | sqlx::Error::Tls(_)
                | sqlx::Error::Protocol(_)
                | sqlx::Error::PoolTimedOut
                | sqlx::Error::PoolClosed
                | sqlx::Error::WorkerCrashed => Kind::Away,
                sqlx::Error::Database(error) => {
                    let code = error.code().unwrap_or_default();
                    code.parse()
                        .map_or_else(|_| postgres_kind(&code), |number| code_kind(&code, number))
                }
                _ => Kind::Other,
            }
        }
        _ => Kind::Other,
    }
}

/// PostgreSQL's codes have five characters, which may all be digits; SQLite's are shorter numbers.
fn code_kind(code: &str, number: u32) -> Kind {
    if code.len() == 5 {
        postgres_kind(code)
    } else {
        sqlite_kind(number)
    }
}

/// PostgreSQL, Appendix A "PostgreSQL Error Codes".
fn postgres_kind(code: &str) -> Kind {
    match code {
        // serialization_failure, deadlock_detected
        "40001" | "40P01" => Kind::Conflict,
        // invalid_sql_statement_name, duplicate_prepared_statement, invalid_binary_representation (of the parameters of
        // another statement, as the driver does not make mistakes with those of this one)
        "26000" | "42P05" | "22P03" => Kind::OtherSession,
        // lock_not_available
        "55P03" => Kind::Away,
        // query_canceled, also by statement_timeout
        "57014" => Kind::Interrupted,
        _ => match code.get(..2) {
            // connection exception, invalid transaction state (a standby, or a transaction that was cut off),
            // insufficient resources, operator intervention, system error
            Some("08" | "25" | "53" | "57" | "58") => Kind::Away,
            _ => Kind::Other,
        },
    }
}

/// SQLite's result codes; the low byte of an extended code is its primary code.
fn sqlite_kind(code: u32) -> Kind {
    match code & 0xff {
        // BUSY, LOCKED, READONLY, IOERR, FULL, CANTOPEN, PROTOCOL
        5 | 6 | 8 | 10 | 13 | 14 | 15 => Kind::Away,
        // INTERRUPT
        9 => Kind::Interrupted,
        _ => Kind::Other,
    }
}
