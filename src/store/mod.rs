//! The clients in the database, SQLite or PostgreSQL. Every function takes the tenant first, and every query has it as its
//! first condition, except `find_client` and `find_credential`, which are for authorization servers.

mod admission;
mod assertions;
mod cache;
mod changes;
mod connection;
mod credential;
mod dialect;
mod entity;
mod error;
#[cfg(test)]
mod faults;
mod feed;
mod fence;
mod filter;
mod interrupt;
mod kept_responses;
mod list;
#[cfg(test)]
mod looks;
mod migrate;
mod pool;
mod pool_metrics;
mod pooler;
mod postgres;
mod purge;
mod read;
mod rows;
mod secrets;
mod session;
mod sqlite;
mod transaction;
mod url;
#[cfg(test)]
mod watch_restarts;
mod work;
mod write;

use std::{fmt, num::NonZeroU32, sync::Arc, time::Duration};

use sea_orm::ConnectionTrait as _;

use self::{
    admission::Admission,
    cache::{Cache, HeldFence},
    connection::Connection,
    dialect::Dialect,
    error::driver_error,
    feed::Feed,
    pool::Pools,
    work::detached,
};
pub use self::{
    admission::{DEFAULT_QUEUE_TIME, Load, Work},
    assertions::AssertionUse,
    cache::{Encoded, Fence, InvalidFence, MemoryReads, StoredClient, Watch},
    changes::Author,
    credential::{Owner, StoredCredential},
    error::{Corrupt, StoreError, Unsuitable, UpdateError},
    feed::{Head, Live, WatchError, WatchScope, WatchedChange, Watching},
    fence::FenceError,
    kept_responses::Once,
    list::Page,
    migrate::{MigrationState, Schema},
    purge::{Cutoff, PurgedTable},
    sqlite::{Claim, ClaimError},
    url::{DatabaseUrl, InvalidDatabaseUrl},
};
pub(crate) use self::{postgres::DEFAULT_CONNECTIONS, sqlite::DEFAULT_READERS};

use crate::domain::ids::ClientId;

/// The longest that a statement may take.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(4);
/// The longest that a statement waits for a lock.
const LOCK_TIMEOUT: Duration = Duration::from_secs(3);
/// The most prepared statements that a connection keeps. There are fewer, as those whose text depends on a filter are not
/// kept.
const STATEMENTS_KEPT: usize = 128;
/// The longest that the database may take to answer the readiness probe.
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);
/// The longest that the connections may take to end.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// The clients of every tenant. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    url: DatabaseUrl,
    dialect: &'static Dialect,
    pools: Arc<Pools>,
    admission: Arc<Admission>,
    fence: Arc<HeldFence>,
    cache: Arc<Cache>,
    feed: Arc<Feed>,
    uses: Arc<assertions::Queue>,
}

/// A reason for which the database cannot be used at the moment.
#[derive(Debug, thiserror::Error)]
pub enum NotReady {
    /// It cannot be reached, or its file is not the one that was opened.
    #[error(transparent)]
    Database(#[from] StoreError),
    /// It does not answer within three seconds.
    #[error("the database does not answer within three seconds")]
    Slow,
    /// Its schema lacks migrations.
    #[error("the schema lacks {missing} migrations")]
    NotMigrated {
        /// Their number.
        missing: usize,
    },
}

impl Store {
    /// Connects to a database, with at most `connections`, or as many as suit the kind of database. Until
    /// [`with_cache`](Self::with_cache), changes do not wait for the fence: no client may be changed while servers run.
    ///
    /// # Errors
    /// If it cannot be reached, or is unsuitable.
    pub async fn connect(url: &DatabaseUrl, connections: Option<NonZeroU32>) -> Result<Self, StoreError> {
        let pools = Arc::new(Pools::open(url, connections).await?);
        Ok(Self {
            url: url.clone(),
            dialect: url.dialect(),
            uses: Arc::new(assertions::queue(pools.writers.capacity())),
            admission: Arc::new(Admission::new(pools.clone(), DEFAULT_QUEUE_TIME)),
            pools,
            fence: Arc::new(HeldFence::alone()),
            cache: Arc::new(Cache::alone(0)),
            feed: Arc::new(Feed::new()),
        })
    }

    /// Sets the longest time that work waits for its turn.
    #[must_use]
    pub fn with_queue_time(mut self, queue_time: Duration) -> Self {
        self.admission = Arc::new(Admission::new(self.pools.clone(), queue_time));
        self
    }

    /// Checks that the database is ready: it answers within three seconds, has every migration of this version, and is the one
    /// that was opened. The connection for this is none of those that requests wait for, so it does not matter how many do.
    ///
    /// # Errors
    /// The first reason for which it is not.
    pub async fn check_ready(&self) -> Result<(), NotReady> {
        self.pools.verify_files()?;
        let schema = tokio::time::timeout(PROBE_TIMEOUT, self.schema()).await;
        let schema = schema.map_err(|_| NotReady::Slow)??;
        match schema.count(MigrationState::Missing) {
            0 => Ok(()),
            missing => Err(NotReady::NotMigrated { missing }),
        }
    }

    /// Has the database collect the statistics that its query planner needs, if it needs any. PostgreSQL does so by itself
    /// after a while.
    ///
    /// # Errors
    /// If the database cannot be reached.
    pub async fn analyze(&self) -> Result<(), StoreError> {
        if let Some(analyze) = self.dialect.analyze {
            self.writer().await?.execute_unprepared(analyze).await?;
        }
        Ok(())
    }

    /// Closes the connections.
    pub async fn close(self) {
        for pool in [&self.pools.readers, &self.pools.writers, &self.pools.control] {
            if tokio::time::timeout(CLOSE_TIMEOUT, pool.close()).await.is_err() {
                tracing::warn!("database connection not closed in time");
            }
        }
    }

    /// Returns the time that passes between a change and its acknowledgement.
    pub fn fence_wait(&self) -> Duration {
        self.fence.wait()
    }

    /// Returns a client that memory holds, as it is after all changes that were acknowledged by now.
    pub async fn remembered(&self, id: &ClientId) -> Option<Arc<StoredClient>> {
        self.cache.get(id).await
    }

    /// Returns the numbers of reads that memory could answer, and did.
    pub fn memory_reads(&self) -> MemoryReads {
        self.cache.reads()
    }

    /// Returns the work of one kind that has its turn, and that waits for it.
    pub fn load(&self, work: Work) -> Load {
        self.admission.load(work)
    }

    /// Takes a connection for reading.
    async fn reader(&self) -> Result<Connection, StoreError> {
        self.pools.readers.get().await
    }

    /// Takes a connection for writing.
    async fn writer(&self) -> Result<Connection, StoreError> {
        self.pools.writers.get().await
    }

    /// Waits until the transactions that write now have ended, whatever became of them.
    async fn wait_for_writers(&self) -> Result<(), StoreError> {
        let transaction = self.begin_write(self.writer().await?).await?;
        transaction.end::<(), StoreError>(Ok(())).await
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}
