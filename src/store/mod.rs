//! The clients in the database: SQLite or PostgreSQL, from one code path. Every function takes the tenant first, and
//! every query has it as its first condition, but for `lookup` and `presented`.

mod assertions;
mod clients;
mod connection;
mod entity;
mod error;
#[cfg(test)]
mod faults;
mod filter;
mod list;
mod lookup;
mod migrate;
mod pool;
mod postgres;
mod presented;
mod secrets;
mod session;
mod sqlite;
mod transaction;
mod url;

use std::{
    fmt,
    future::Future,
    num::NonZeroU32,
    sync::{Arc, Weak},
    time::Duration,
};

use sea_orm::{ConnectionTrait as _, DbBackend};
use tracing::Instrument as _;

pub use self::{
    assertions::AssertionUse,
    error::{Corrupt, StoreError, Unsuitable, UpdateError},
    lookup::ClientRecord,
    migrate::{MigrationState, Schema},
    presented::{Owner, PresentedSecret},
    sqlite::{Claim, ClaimError},
    url::{DatabaseUrl, InvalidDatabaseUrl},
};
use self::{connection::Connection, error::driver_error, pool::Pools};
pub(crate) use self::{postgres::DEFAULT_CONNECTIONS, sqlite::DEFAULT_READERS};

/// How long a call waits for the database at most, whatever it waits for.
const TIMEOUT: Duration = Duration::from_secs(4);
/// How long work may go on for which nobody waits any more.
const ABANDONED: Duration = Duration::from_secs(7);
/// How long a statement may take.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(4);
/// How long a statement waits for a lock.
const LOCK_TIMEOUT: Duration = Duration::from_secs(3);
/// How many prepared statements a connection keeps: more than there are, as those whose text depends on a filter are
/// not kept.
const STATEMENTS_KEPT: usize = 64;
/// How long the database has to say that it is there.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);
/// How long the connections have to end.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// The clients of every tenant. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    url: DatabaseUrl,
    pools: Arc<Pools>,
}

/// Why the database cannot be used at the moment.
#[derive(Debug, thiserror::Error)]
pub enum NotReady {
    /// It does not answer, or its file is not the one that was opened.
    #[error(transparent)]
    Database(#[from] StoreError),
    /// It does not answer within a second.
    #[error("the database does not answer within a second")]
    Slow,
    /// Its schema lacks migrations.
    #[error("the schema lacks {missing} migrations")]
    NotMigrated {
        /// How many.
        missing: usize,
    },
}

impl Store {
    /// Connects to a database, with so many connections at most, or as many as suit the kind of database.
    ///
    /// # Errors
    /// If it cannot be reached, or is not one that this service can keep its promises on.
    pub async fn connect(url: &DatabaseUrl, connections: Option<NonZeroU32>) -> Result<Self, StoreError> {
        Ok(Self {
            url: url.clone(),
            pools: Arc::new(Pools::open(url, connections).await?),
        })
    }

    /// Checks that the database can be used: it answers within a second, has every migration, and is the one that was
    /// opened.
    ///
    /// # Errors
    /// The first reason why not.
    pub async fn check_ready(&self) -> Result<(), NotReady> {
        self.pools.verify_files()?;
        let schema = tokio::time::timeout(PROBE_TIMEOUT, self.schema()).await;
        let schema = schema.map_err(|_| NotReady::Slow)??;
        match schema.count(MigrationState::Missing) {
            0 => Ok(()),
            missing => Err(NotReady::NotMigrated { missing }),
        }
    }

    /// Has PostgreSQL count what is in its tables, for its query planner, which it does by itself after a while. SQLite
    /// plans better without: with counts it may skip through the tenants instead of looking one up.
    ///
    /// # Errors
    /// If the database cannot be reached.
    pub async fn analyze(&self) -> Result<(), StoreError> {
        if self.url.backend() == DbBackend::Postgres {
            self.pools
                .writers
                .get()
                .await?
                .execute_unprepared("ANALYZE")
                .await?;
        }
        Ok(())
    }

    /// Ends the connections.
    pub async fn close(self) {
        for pool in [&self.pools.readers, &self.pools.writers] {
            if tokio::time::timeout(CLOSE_TIMEOUT, pool.close()).await.is_err() {
                tracing::warn!("database connection not closed in time");
            }
        }
    }

    /// Takes a connection for reading.
    async fn reader(&self) -> Result<Connection, StoreError> {
        self.pools.readers.get().await
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

/// Whether anybody waits for the outcome of some work.
#[derive(Debug)]
struct Waiting(Weak<()>);

impl Waiting {
    /// Asks before what cannot be taken back: a caller who was told that his time is over should not find it done.
    fn check(&self) -> Result<(), StoreError> {
        if self.0.strong_count() > 0 {
            Ok(())
        } else {
            Err(StoreError::TimedOut)
        }
    }
}

/// Does work of the store in a task of its own, and waits for it until its time is over. The work itself is never cut
/// off half-way by a caller who does not wait: a connection could go back to the pool in the middle of a transaction.
async fn detached<T, E, F>(work: impl FnOnce(Waiting) -> F) -> Result<T, E>
where
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
    F: Future<Output = Result<T, E>> + Send + 'static,
{
    let here = Arc::new(());
    let work = work(Waiting(Arc::downgrade(&here)));
    // Work that hangs on a database that is gone for good has to end at some time too.
    let task = tokio::spawn(tokio::time::timeout(ABANDONED, work).in_current_span());
    let outcome = tokio::time::timeout(TIMEOUT, task).await;
    drop(here);
    match outcome {
        Ok(Ok(Ok(outcome))) => outcome,
        Ok(Err(error)) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        _ => Err(StoreError::TimedOut.into()),
    }
}
