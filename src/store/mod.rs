//! The clients in the database: SQLite or PostgreSQL, from one code path. Every function takes the tenant first, and
//! every query has it as its first condition, but for `lookup` and `presented`.

mod assertions;
mod clients;
mod connect;
mod entity;
mod error;
mod filter;
mod list;
mod lookup;
mod presented;
mod secrets;
mod transaction;

use std::{
    future::Future,
    sync::{Arc, Weak},
    time::Duration,
};

use oauth_clients_migrations::{Migrator, MigratorTrait as _};
use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbBackend};
use tracing::Instrument as _;

pub use connect::{DatabaseUrl, InvalidDatabaseUrl};
pub use error::{Corrupt, StoreError, UpdateError};
pub use lookup::ClientRecord;
pub use presented::{Owner, PresentedSecret};

/// How long a call waits for the database at most, whatever it waits for.
const TIMEOUT: Duration = Duration::from_secs(4);
/// How long work may go on for which nobody waits any more.
const ABANDONED: Duration = Duration::from_secs(7);
/// How long the database has to say that it is there.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);
/// How long the connections have to end.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// The clients of every tenant. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    url: DatabaseUrl,
    /// For reading. On SQLite these connections never wait for the writer.
    readers: DatabaseConnection,
    /// For writing. On SQLite this is one connection, as SQLite has one writer: writers queue here, in order.
    writers: DatabaseConnection,
}

impl Store {
    /// Connects to a database.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub async fn connect(url: &DatabaseUrl) -> Result<Self, StoreError> {
        let (readers, writers) = connect::connect(url).await?;
        Ok(Self {
            url: url.clone(),
            readers,
            writers,
        })
    }

    /// Applies the migrations that are missing. Several servers may do so at once.
    ///
    /// # Errors
    /// When the database cannot be reached, or refuses.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        let connection = connect::connect_to_migrate(&self.url).await?;
        let lock = connect::lock_migrations(&connection).await?;
        let outcome = Migrator::up(&connection, None).await;
        drop(lock);
        connection.close().await?;
        Ok(outcome?)
    }

    /// The names of the migrations, and whether each is applied.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn migrations(&self) -> Result<Vec<(String, bool)>, StoreError> {
        let store = self.clone();
        detached(|_| async move {
            let pending = Migrator::get_pending_migrations_read_only(&store.readers).await?;
            let pending: Vec<String> = pending
                .iter()
                .map(|migration| migration.name().to_owned())
                .collect();
            let all = Migrator::migrations();
            let names = all.iter().map(|migration| migration.name().to_owned());
            Ok(names
                .map(|name| (name.clone(), !pending.contains(&name)))
                .collect())
        })
        .await
    }

    /// Whether the database answers within a second, and every migration is applied.
    pub async fn is_ready(&self) -> bool {
        let migrations = tokio::time::timeout(PROBE_TIMEOUT, self.migrations()).await;
        migrations.is_ok_and(|migrations| migrations.is_ok_and(|all| all.iter().all(|(_, applied)| *applied)))
    }

    /// Has PostgreSQL count what is in its tables, for its query planner, which it does by itself after a while. SQLite
    /// plans better without: with counts it may skip through the tenants instead of looking one up.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn analyze(&self) -> Result<(), StoreError> {
        if self.writers.get_database_backend() == DbBackend::Postgres {
            self.writers.execute_unprepared("ANALYZE").await?;
        }
        Ok(())
    }

    /// Ends the connections.
    pub async fn close(self) {
        for connection in [self.readers, self.writers] {
            if !matches!(
                tokio::time::timeout(CLOSE_TIMEOUT, connection.close()).await,
                Ok(Ok(()))
            ) {
                tracing::warn!("a database connection did not close");
            }
        }
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
