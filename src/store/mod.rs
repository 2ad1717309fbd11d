//! The clients in the database: SQLite or PostgreSQL, from one code path. Every function takes the tenant first, and
//! every query has it as its first condition.

mod clients;
mod connect;
mod entity;
mod error;
mod filter;
mod list;
mod secrets;
mod transaction;

use std::{future::Future, time::Duration};

use oauth_clients_migrations::{Migrator, MigratorTrait as _};
use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbBackend};

pub use connect::{DatabaseUrl, InvalidDatabaseUrl};
pub use error::{Corrupt, StoreError, UpdateError};

/// How long a call waits for the database at most, whatever it waits for.
const TIMEOUT: Duration = Duration::from_secs(4);

/// The clients of every tenant. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
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
        Ok(Self { readers, writers })
    }

    /// Applies the migrations that are missing. Several servers may do so at once.
    ///
    /// # Errors
    /// When the database cannot be reached, or refuses.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        let lock = connect::lock_migrations(&self.writers).await?;
        Migrator::up(&self.writers, None).await?;
        if let Some(lock) = lock {
            lock.commit().await?;
        }
        Ok(())
    }

    /// The names of the migrations, and whether each is applied.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn migrations(&self) -> Result<Vec<(String, bool)>, StoreError> {
        within_time(async {
            let pending = Migrator::get_pending_migrations_read_only(&self.readers).await?;
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
            if let Err(error) = connection.close().await {
                tracing::warn!(%error, "a database connection did not close");
            }
        }
    }
}

async fn within_time<T, E: From<StoreError>>(work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    tokio::time::timeout(TIMEOUT, work)
        .await
        .unwrap_or_else(|_| Err(StoreError::TimedOut.into()))
}
