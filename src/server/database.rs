//! The database of a server.

use std::time::Duration;

use super::ServerError;
use crate::{
    config::ServerConfig,
    store::{Claim, MigrationState, Store, Watch},
};

/// The maximum time that a server waits for another process that uses its SQLite file, such as its predecessor.
const CLAIM_TIMEOUT: Duration = Duration::from_secs(10);

/// A database with the schema of this version, claimed by this server.
#[derive(Debug)]
pub(super) struct Database {
    pub(super) store: Store,
    /// Keeps the memory of the store coherent; taken when the server runs.
    pub(super) watch: Option<Watch>,
    claim: Claim,
}

impl Database {
    /// Claims and opens a database, and migrates it if that is configured. A SQLite file is always migrated.
    pub(super) async fn open(config: &ServerConfig) -> Result<Self, ServerError> {
        let url = &config.database_url;
        let error = |source| ServerError::Database {
            url: url.to_string(),
            source,
        };
        let claim = Claim::acquire(url, Some(CLAIM_TIMEOUT))
            .await
            .map_err(|source| ServerError::Claim {
                url: url.to_string(),
                source,
            })?;
        let store = Store::connect(url, config.database_connections)
            .await
            .map_err(error)?
            .with_queue_time(config.queue_time);
        if url.is_sqlite() || config.migrate {
            store.migrate(&claim).await.map_err(error)?;
        }
        let schema = store.schema().await.map_err(error)?;
        let newer = schema.count(MigrationState::Newer);
        if newer > 0 {
            tracing::info!(migrations = newer, "schema newer than this version");
        }
        match schema.count(MigrationState::Missing) {
            0 => {}
            missing => {
                return Err(ServerError::NotMigrated {
                    url: url.to_string(),
                    missing,
                });
            }
        }
        let cached = Box::pin(store.with_cache(config.cache_size.as_u64())).await;
        let (store, watch) = cached.map_err(|source| ServerError::Fence {
            url: url.to_string(),
            source,
        })?;
        Ok(Self {
            store,
            watch: Some(watch),
            claim,
        })
    }

    /// Closes the connections, and then releases the claim.
    pub(super) async fn close(self) {
        self.store.close().await;
        drop(self.claim);
    }
}
