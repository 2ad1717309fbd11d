//! The fence of a database: read when a server starts, and set while none runs. On PostgreSQL, every server holds a shared
//! lock on it; on SQLite, the [`Claim`] is the lock.

use std::{sync::Arc, time::Duration};

use sea_orm::{ConnectionTrait as _, DbErr, Statement};
use thiserror::Error;

use super::{
    Store,
    cache::{Cache, Fence, HeldFence, Instant, Watch},
    error::StoreError,
    postgres,
    session::{Prepared, Session},
    sqlite::Claim,
};

const FIND: &str = "SELECT value FROM oauth_client_settings WHERE name = 'cache_fence_ms'";
const SET: &str = "INSERT INTO oauth_client_settings (name, value) VALUES ('cache_fence_ms', $1) \
                   ON CONFLICT (name) DO UPDATE SET value = excluded.value";

/// The longest that the session of a server may last after the server.
const LAST_SESSION: Duration = Duration::from_secs(1);
/// The interval at which the lock is tried until then.
const LOCK_POLL: Duration = Duration::from_millis(50);

/// The fence cannot be read or set.
#[derive(Debug, Error)]
pub enum FenceError {
    /// A server runs, and waits out the old fence.
    #[error("a server of the database runs: stop every server before the cache fence is changed")]
    ServersRun,
    /// Another process sets the fence at the moment.
    #[error("the cache fence of the database is being changed")]
    BeingSet,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<DbErr> for FenceError {
    fn from(error: DbErr) -> Self {
        Self::Store(error.into())
    }
}

impl Store {
    /// Reads clients from memory from now on, of at most `bytes`, where the fence of the database allows it. The
    /// [`Watch`] has to run beside.
    ///
    /// # Errors
    /// If the database cannot be reached, or its fence is being set.
    pub async fn with_cache(self, bytes: u64) -> Result<(Self, Watch), FenceError> {
        let began = Instant::now();
        let session = if self.url.is_sqlite() {
            None
        } else {
            Some(self.watch_session().await?)
        };
        // Behind the lock.
        let fence = self.fence_of_database().await?;
        let bytes = if fence == Fence::OFF { 0 } else { bytes };
        let (fence, cache) = if self.url.is_sqlite() {
            (HeldFence::alone(), Cache::alone(bytes))
        } else {
            (HeldFence::shared(fence, began), Cache::watched(bytes, fence))
        };
        let cache = Arc::new(cache);
        cache.observe();
        self.observe_pools();
        let store = Self {
            fence: fence.into(),
            cache,
            ..self
        };
        let watch = Watch {
            store: store.clone(),
            session,
        };
        Ok((store, watch))
    }

    /// Sets the fence of the database, unless it is that already. On PostgreSQL, it first stays locked for three seconds: a
    /// server that runs on without the connection that kept it locked has noticed by then.
    ///
    /// # Errors
    /// If a server runs that relies on another fence, or the database cannot be reached.
    pub async fn set_fence(&self, fence: Fence, _claim: &Claim) -> Result<(), FenceError> {
        if self.fence_of_database().await.ok() == Some(fence) {
            return Ok(());
        }
        let set = Statement::from_sql_and_values(self.dialect.backend, SET, [fence.millis().into()]);
        let Some(mut session) = self.pools.session_apart().await? else {
            self.writer().await?.execute_raw(set).await?;
            return Ok(());
        };
        let locked = async {
            while !postgres::try_lock_fence(&mut session, postgres::Share::No).await? {
                tokio::time::sleep(LOCK_POLL).await;
            }
            Ok::<_, DbErr>(())
        };
        tokio::time::timeout(LAST_SESSION, locked)
            .await
            .map_err(|_| FenceError::ServersRun)??;
        tokio::time::sleep(Fence::CHANGE).await;
        session.execute(set, Prepared::Once).await?;
        Ok(session.close().await?)
    }

    /// Returns the fence of the database.
    ///
    /// # Errors
    /// If the database cannot be reached.
    pub async fn fence_of_database(&self) -> Result<Fence, StoreError> {
        let find = Statement::from_string(self.dialect.backend, FIND);
        let row = self.reader().await?.query_one_raw(find).await?;
        let value: Option<String> = row.map(|row| row.try_get_by_index(0)).transpose()?;
        let fence = value.as_deref().and_then(Fence::from_millis);
        let invalid = || DbErr::Custom("oauth_client_settings.cache_fence_ms is not a fence".to_owned());
        Ok(fence.ok_or_else(invalid)?)
    }

    /// Opens a session that looks for changes, and tells by a lock that a server runs. It is never one of a pool, so that
    /// it is free however busy the server is.
    pub(super) async fn watch_session(&self) -> Result<Session, FenceError> {
        let session = self.pools.session_apart().await?;
        let mut session =
            session.ok_or_else(|| DbErr::Custom("SQLite has no changes to look for".to_owned()))?;
        session.execute_unprepared(postgres::PREFER_INDEXES).await?;
        if postgres::try_lock_fence(&mut session, postgres::Share::Yes).await? {
            Ok(session)
        } else {
            Err(FenceError::BeingSet)
        }
    }
}
