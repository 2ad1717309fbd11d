//! Buckets that replicas share through Redis. A request never waits for a connection: without one, Redis does not decide.

use std::{fmt, io, sync::Arc, time::Duration};

use futures_util::FutureExt as _;
use redis::{AsyncConnectionConfig, ConnectionAddr, RedisError, Script, aio::MultiplexedConnection};
use thiserror::Error;
use tokio::{
    runtime::{self, Runtime},
    sync::watch,
};

use super::{
    bucket::{Bucket, Decision, MAX_PER_MINUTE},
    key::LimitKey,
    redis_url::RedisUrl,
};
use crate::{
    pb::RateTier,
    supervise::{Task, supervised},
};

/// The time that Redis has to decide about a request.
const DECISION_TIMEOUT: Duration = Duration::from_millis(200);
/// The time that Redis has to accept a connection and to respond on it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// The pause before a new connection after one has failed.
const RECONNECT_PAUSE: Duration = Duration::from_secs(1);

const TOKEN_BUCKET: &str = include_str!("token_bucket.lua");
const KEY_PREFIX: &str = "oauth-clients:limit:";

/// An error of Redis, or of the connection to it.
#[derive(Debug, Error)]
enum RedisUnavailable {
    #[error("no response in time")]
    TimedOut,
    #[error(transparent)]
    Failed(#[from] RedisError),
}

/// A connection that all requests share.
type Connection = Arc<MultiplexedConnection>;

/// Decides by the buckets in Redis. The connection has a thread of its own: if all others are busy, they read a response so
/// late that Redis seems to be unavailable.
#[derive(Debug)]
pub(super) struct RedisLimiter {
    shared: Arc<Shared>,
    thread: OwnThread,
}

/// The state that the thread works with.
struct Shared {
    url: RedisUrl,
    script: Script,
    connection: watch::Sender<Option<Connection>>,
}

/// A runtime of one thread. Dropping it does not wait for the thread, so it may be dropped within another runtime.
#[derive(Debug)]
struct OwnThread(Option<Runtime>);

impl RedisLimiter {
    /// Connects to Redis, or keeps trying in the background.
    ///
    /// # Errors
    /// Returns an error if the operating system cannot start a thread.
    pub(super) async fn connect(url: RedisUrl) -> io::Result<Self> {
        if let ConnectionAddr::TcpTls { .. } = url.0.get_connection_info().addr() {
            // The client library uses the provider of the process, which may be installed already.
            let _installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
        }
        let shared = Arc::new(Shared {
            url,
            script: Script::new(TOKEN_BUCKET),
            connection: watch::Sender::new(None),
        });
        let thread = OwnThread::start()?;
        let first = shared.clone();
        thread
            .run(async move {
                if let Err(error) = first.connect().await {
                    first.log_unavailable(&error);
                }
            })
            .await;
        thread.spawn(supervised(Task::RedisConnection, shared.clone(), |shared| {
            shared.keep_connected().boxed()
        }));
        Ok(Self { shared, thread })
    }

    /// Takes a request from the bucket of its caller, if there is room. Returns `None` if Redis is unavailable.
    pub(super) async fn decide(&self, bucket: Bucket, caller: &LimitKey) -> Option<Decision> {
        let connection = self.shared.connection.borrow().clone()?;
        let (shared, key) = (self.shared.clone(), key(bucket.tier, caller));
        let deciding = async move {
            let outcome = within(DECISION_TIMEOUT, shared.take(&connection, &key, bucket)).await;
            outcome
                .map_err(|error| shared.disconnect(&connection, &error))
                .ok()
        };
        self.thread.run(deciding).await.flatten()
    }
}

impl OwnThread {
    fn start() -> io::Result<Self> {
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("redis")
            .enable_all()
            .build()?;
        Ok(Self(Some(runtime)))
    }

    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        if let Some(runtime) = &self.0 {
            runtime.spawn(work);
        }
    }

    async fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Option<T> {
        self.0.as_ref()?.spawn(work).await.ok()
    }
}

impl Drop for OwnThread {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Shared {
    /// Reconnects whenever the connection is lost. Never returns.
    async fn keep_connected(&self) {
        let mut connection = self.connection.subscribe();
        while connection.wait_for(Option::is_none).await.is_ok() {
            tokio::time::sleep(RECONNECT_PAUSE).await;
            // The loss was logged already.
            let _still_unavailable = self.connect().await;
        }
    }

    async fn connect(&self) -> Result<(), RedisUnavailable> {
        let connection = within(CONNECT_TIMEOUT, self.new_connection()).await?;
        self.connection.send_replace(Some(connection));
        tracing::info!(redis = %self.url, "Redis connected, replicas share the rate limits");
        Ok(())
    }

    /// Creates a connection and runs the script on it: the server may still be loading its data, be a read-only replica, or
    /// deny the user the script.
    async fn new_connection(&self) -> Result<Connection, RedisError> {
        // This file has time limits of its own.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None);
        let connecting = self.url.0.get_multiplexed_async_connection_with_config(&config);
        let connection = Arc::new(connecting.await?);
        if let Some(bucket) = Bucket::new(RateTier::One, MAX_PER_MINUTE) {
            self.take(&connection, &format!("{KEY_PREFIX}probe"), bucket)
                .await?;
        }
        Ok(connection)
    }

    async fn take(&self, connection: &Connection, key: &str, bucket: Bucket) -> Result<Decision, RedisError> {
        let (allowed, until_full) = self
            .script
            .key(key)
            .arg(micros(bucket.interval()))
            .arg(micros(bucket.window()))
            .invoke_async(&mut MultiplexedConnection::clone(connection))
            .await?;
        Ok(Decision {
            bucket,
            allowed,
            until_full: Duration::from_micros(until_full).min(bucket.window()),
        })
    }

    /// Drops a connection that failed. Of the requests that notice, only the first one logs it.
    fn disconnect(&self, failed: &Connection, error: &RedisUnavailable) {
        let dropped = self.connection.send_if_modified(|connection| {
            let same = connection
                .as_ref()
                .is_some_and(|connection| Arc::ptr_eq(connection, failed));
            if same {
                *connection = None;
            }
            same
        });
        if dropped {
            self.log_unavailable(error);
        }
    }

    fn log_unavailable(&self, error: &RedisUnavailable) {
        tracing::warn!(redis = %self.url, %error, "Redis unavailable, each replica limits by itself");
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, RedisError>>,
) -> Result<T, RedisUnavailable> {
    match tokio::time::timeout(limit, work).await {
        Ok(outcome) => Ok(outcome?),
        Err(_) => Err(RedisUnavailable::TimedOut),
    }
}

/// Returns the key of a bucket. Neither tenants nor subjects have control characters, so no two callers share one.
fn key(tier: RateTier, caller: &LimitKey) -> String {
    let (tenant, subject) = (caller.tenant.as_str(), caller.subject.as_str());
    format!("{KEY_PREFIX}{}:{tenant}\u{1f}{subject}", tier.name())
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
