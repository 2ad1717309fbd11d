//! Interrupting a statement that runs. SQLite asks during a statement whether to go on; PostgreSQL is told on another
//! connection. The connection is not used again.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use sea_orm::{ConnectionTrait as _, DbBackend, Statement, sqlx};

use super::{error::StoreError, pool::Pool};

/// The number of instructions of SQLite's virtual machine between two questions, far less than a millisecond of work.
const INSTRUCTIONS: i32 = 1_000;
/// Ends the statement of a session. As process identifiers are used again, also by another server behind the same name,
/// its start identifies it too.
const CANCEL: &str = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity \
                      WHERE pid = $1 AND (extract(epoch FROM backend_start) * 1000000)::bigint = $2";
/// The columns that identify a [`Backend`].
pub(super) const BACKEND: &str = "pg_backend_pid(), (SELECT (extract(epoch FROM backend_start) * 1000000)::bigint \
                                  FROM pg_stat_activity WHERE pid = pg_backend_pid())";

/// Interrupts the statements of one session.
#[derive(Debug, Clone)]
pub(super) struct Interrupt {
    raised: Arc<AtomicBool>,
    /// The session on PostgreSQL; `None` on SQLite.
    backend: Option<Backend>,
}

/// The process of PostgreSQL that serves a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Backend {
    pub(super) pid: i32,
    /// The time of its start, in microseconds since 1970.
    pub(super) started_at: i64,
}

impl Interrupt {
    /// Creates the interrupt of a session with PostgreSQL.
    pub(super) fn of_backend(backend: Backend) -> Self {
        Self {
            raised: Arc::default(),
            backend: Some(backend),
        }
    }

    /// Creates the interrupt of a session with SQLite.
    pub(super) async fn of_sqlite(connection: &mut sqlx::SqliteConnection) -> Result<Self, sqlx::Error> {
        let interrupt = Self {
            raised: Arc::default(),
            backend: None,
        };
        let asked = interrupt.clone();
        let mut handle = connection.lock_handle().await?;
        handle.set_progress_handler(INSTRUCTIONS, move || !asked.is_raised());
        drop(handle);
        Ok(interrupt)
    }

    /// Interrupts the statement that runs, and those to come.
    ///
    /// # Errors
    /// If PostgreSQL cannot be told.
    pub(super) async fn send(&self, control: &Pool) -> Result<(), StoreError> {
        self.raised.store(true, Ordering::Relaxed);
        if let Some(backend) = self.backend {
            let values = [backend.pid.into(), backend.started_at.into()];
            let cancel = Statement::from_sql_and_values(DbBackend::Postgres, CANCEL, values);
            control.get().await?.query_one_raw(cancel).await?;
        }
        Ok(())
    }

    /// Returns `true` if the session is not to be used again.
    pub(super) fn is_raised(&self) -> bool {
        self.raised.load(Ordering::Relaxed)
    }
}
