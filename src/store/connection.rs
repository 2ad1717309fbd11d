//! Connections that are returned to the pool only in a known state. A connection on which a statement failed or was
//! cancelled, or a transaction was left open, is dropped, and with it whatever the database and the driver disagree about.

use std::mem;

use deadpool::managed::Object;
use sea_orm::{ConnAcquireErr, ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, Statement};
use tokio::sync::Mutex;

use super::{
    interrupt::Interrupt,
    pool::{Connector, Permits},
    session::{Prepared, Session, io_error},
};

/// A connection of a pool.
pub(super) struct Connection {
    backend: DbBackend,
    prepared: Prepared,
    held: Mutex<Held>,
    interrupt: Interrupt,
    // Dropped last, when the connection can be taken again.
    _permits: Permits,
}

struct Held {
    /// Is `None` only while this is dropped.
    session: Option<Object<Connector>>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Outside a transaction; every statement succeeded.
    Idle,
    /// Inside a transaction; every statement succeeded.
    InTransaction,
    /// A statement is under way, or failed, or was cut off.
    Unknown,
}

impl Connection {
    pub(super) fn new(session: Object<Connector>, permits: Permits) -> Self {
        Self {
            backend: session.backend(),
            prepared: Prepared::Kept,
            interrupt: session.interrupt().clone(),
            _permits: permits,
            held: Mutex::new(Held {
                session: Some(session),
                state: State::Idle,
            }),
        }
    }

    /// Returns what interrupts the statements on this connection. It is dropped after that.
    pub(super) fn interrupt(&self) -> Interrupt {
        self.interrupt.clone()
    }

    /// Prepares statements for one use, for texts that may never come again.
    pub(super) fn without_cache(self) -> Self {
        Self {
            prepared: Prepared::Once,
            ..self
        }
    }

    /// Queries with a statement that is prepared for as long as this says, whatever holds for other statements.
    pub(super) async fn query_all(
        &self,
        statement: Statement,
        prepared: Prepared,
    ) -> Result<Vec<QueryResult>, DbErr> {
        let mut held = self.held.lock().await;
        let state = held.state;
        let session = held.begin_statement(None)?;
        let rows = session.query_all(statement, prepared).await?;
        held.end_statement(state)?;
        Ok(rows)
    }

    /// Begins a transaction with a statement.
    pub(super) async fn begin(&self, sql: &'static str) -> Result<(), DbErr> {
        self.transition(State::Idle, sql, State::InTransaction).await
    }

    pub(super) async fn commit(&self) -> Result<(), DbErr> {
        self.transition(State::InTransaction, "COMMIT", State::Idle).await
    }

    pub(super) async fn roll_back(&self) -> Result<(), DbErr> {
        self.transition(State::InTransaction, "ROLLBACK", State::Idle)
            .await
    }

    /// Executes a statement that ends one state and begins another.
    async fn transition(&self, from: State, sql: &'static str, to: State) -> Result<(), DbErr> {
        let mut held = self.held.lock().await;
        held.verify_files()?;
        let session = held.begin_statement(Some(from))?;
        if self.backend == DbBackend::Sqlite {
            // Kept prepared, as every transaction needs it.
            let statement = Statement::from_string(self.backend, sql);
            session.execute(statement, Prepared::Kept).await?;
        } else {
            session.execute_unprepared(sql).await?;
        }
        held.end_statement(to)
    }
}

impl Held {
    /// Returns the session for a statement. The state is unknown until the statement [ends](Self::end_statement).
    fn begin_statement(&mut self, expected: Option<State>) -> Result<&mut Session, DbErr> {
        let state = mem::replace(&mut self.state, State::Unknown);
        let usable = expected.map_or(state != State::Unknown, |expected| state == expected);
        match &mut self.session {
            Some(session) if usable => Ok(session),
            _ => Err(unusable()),
        }
    }

    /// Records that a statement succeeded. Outside a transaction, whatever it wrote is committed by now: before that is
    /// acknowledged, the files that hold it must still be those that other processes find.
    fn end_statement(&mut self, state: State) -> Result<(), DbErr> {
        if state == State::Idle {
            self.verify_files()?;
        }
        self.state = state;
        Ok(())
    }

    fn verify_files(&self) -> Result<(), DbErr> {
        match self.session.as_deref() {
            Some(Session::Sqlite {
                files: Some(files), ..
            }) => files.verify().map_err(io_error),
            _ => Ok(()),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Some(session) = self.session.take() else {
            return;
        };
        if self.state != State::Idle || session.interrupt().is_raised() {
            // The pool opens another one.
            drop(Object::take(session));
        }
    }
}

/// Returns the error of a connection on which an earlier statement failed.
fn unusable() -> DbErr {
    DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed)
}

#[sea_orm::prelude::async_trait::async_trait]
impl ConnectionTrait for Connection {
    fn get_database_backend(&self) -> DbBackend {
        self.backend
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let mut held = self.held.lock().await;
        let state = held.state;
        let session = held.begin_statement(None)?;
        let outcome = session.execute(statement, self.prepared).await?;
        held.end_statement(state)?;
        Ok(outcome)
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let mut held = self.held.lock().await;
        let state = held.state;
        let session = held.begin_statement(None)?;
        let outcome = session.execute_unprepared(sql).await?;
        held.end_statement(state)?;
        Ok(outcome)
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let mut held = self.held.lock().await;
        let state = held.state;
        let session = held.begin_statement(None)?;
        let row = session.query_one(statement, self.prepared).await?;
        held.end_statement(state)?;
        Ok(row)
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.query_all(statement, self.prepared).await
    }
}
