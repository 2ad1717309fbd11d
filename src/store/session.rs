//! Sessions with a database: statements in, rows out. Transactions are begun and ended by plain statements rather than by the
//! driver, so that it is the database that refuses to begin one inside another.

use std::sync::Arc;

use sea_orm::{
    DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr, Statement,
    sea_query::Values,
    sqlx::{
        self, AssertSqlSafe, Connection as _, Database, Executor as _, IntoArguments, PgConnection,
        SqliteConnection, database::HasStatementCache, query::Query,
    },
};
use sea_query_sqlx::SqlxValues;

use super::{interrupt::Interrupt, sqlite::DatabaseFiles};

/// The lifetime of a prepared statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prepared {
    /// It is kept for the next time, for texts of which there are few.
    Kept,
    /// It is used once, for texts that callers choose, of which there is no end.
    Once,
}

/// A session with SQLite or PostgreSQL.
pub(super) enum Session {
    Sqlite {
        connection: SqliteConnection,
        interrupt: Interrupt,
        /// The files that must still be those of the database when a write is acknowledged; `None` on readers.
        files: Option<Arc<DatabaseFiles>>,
    },
    Postgres {
        connection: PgConnection,
        interrupt: Interrupt,
    },
}

impl Session {
    pub(super) fn backend(&self) -> DbBackend {
        match self {
            Self::Sqlite { .. } => DbBackend::Sqlite,
            Self::Postgres { .. } => DbBackend::Postgres,
        }
    }

    /// Returns what interrupts the statements of this session.
    pub(super) fn interrupt(&self) -> &Interrupt {
        match self {
            Self::Sqlite { interrupt, .. } | Self::Postgres { interrupt, .. } => interrupt,
        }
    }

    pub(super) async fn execute(
        &mut self,
        statement: Statement,
        prepared: Prepared,
    ) -> Result<ExecResult, DbErr> {
        let outcome = match self {
            Self::Sqlite { connection, .. } => {
                let outcome = query(statement, prepared).execute(connection).await;
                outcome.map(ExecResult::from)
            }
            Self::Postgres { connection, .. } => {
                let outcome = query(statement, prepared).execute(connection).await;
                outcome.map(ExecResult::from)
            }
        };
        outcome.map_err(exec_error)
    }

    pub(super) async fn query_one(
        &mut self,
        statement: Statement,
        prepared: Prepared,
    ) -> Result<Option<QueryResult>, DbErr> {
        let row = match self {
            Self::Sqlite { connection, .. } => {
                let row = query(statement, prepared).fetch_optional(connection).await;
                row.map(|row| row.map(QueryResult::from))
            }
            Self::Postgres { connection, .. } => {
                let row = query(statement, prepared).fetch_optional(connection).await;
                row.map(|row| row.map(QueryResult::from))
            }
        };
        row.map_err(query_error)
    }

    pub(super) async fn query_all(
        &mut self,
        statement: Statement,
        prepared: Prepared,
    ) -> Result<Vec<QueryResult>, DbErr> {
        let rows = match self {
            Self::Sqlite { connection, .. } => {
                let rows = query(statement, prepared).fetch_all(connection).await;
                rows.map(|rows| rows.into_iter().map(QueryResult::from).collect())
            }
            Self::Postgres { connection, .. } => {
                let rows = query(statement, prepared).fetch_all(connection).await;
                rows.map(|rows| rows.into_iter().map(QueryResult::from).collect())
            }
        };
        rows.map_err(query_error)
    }

    /// Executes statements without preparing them.
    pub(super) async fn execute_unprepared(&mut self, sql: &str) -> Result<ExecResult, DbErr> {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql));
        let outcome = match self {
            Self::Sqlite { connection, .. } => connection.execute(sql).await.map(ExecResult::from),
            Self::Postgres { connection, .. } => connection.execute(sql).await.map(ExecResult::from),
        };
        outcome.map_err(exec_error)
    }

    /// Returns an error if the database no longer answers.
    pub(super) async fn ping(&mut self) -> Result<(), DbErr> {
        let outcome = match self {
            Self::Sqlite { connection, .. } => connection.ping().await,
            Self::Postgres { connection, .. } => connection.ping().await,
        };
        outcome.map_err(connection_error)
    }

    /// Ends the session gracefully.
    pub(super) async fn close(self) -> Result<(), DbErr> {
        let outcome = match self {
            Self::Sqlite { connection, .. } => connection.close().await,
            Self::Postgres { connection, .. } => connection.close().await,
        };
        outcome.map_err(connection_error)
    }
}

fn query<DB>(statement: Statement, prepared: Prepared) -> Query<'static, DB, SqlxValues>
where
    DB: Database + HasStatementCache,
    SqlxValues: IntoArguments<DB>,
{
    let values = SqlxValues(statement.values.unwrap_or(Values(Vec::new())));
    sqlx::query_with(AssertSqlSafe(statement.sql), values).persistent(prepared == Prepared::Kept)
}

pub(super) fn connection_error(error: sqlx::Error) -> DbErr {
    DbErr::Conn(RuntimeErr::SqlxError(Arc::new(error)))
}

/// Wraps an error of the operating system as one of the driver.
pub(super) fn io_error(error: impl std::error::Error + Send + Sync + 'static) -> DbErr {
    connection_error(sqlx::Error::Io(std::io::Error::other(error)))
}

fn query_error(error: sqlx::Error) -> DbErr {
    DbErr::Query(RuntimeErr::SqlxError(Arc::new(error)))
}

fn exec_error(error: sqlx::Error) -> DbErr {
    DbErr::Exec(RuntimeErr::SqlxError(Arc::new(error)))
}
