//! Limits that replicas share through Redis. A call never waits for a connection: there is one, or the call is not for
//! Redis to decide.

use std::{fmt, io, sync::Arc, time::Duration};

use redis::{AsyncConnectionConfig, ConnectionAddr, RedisError, Script, aio::MultiplexedConnection};
use thiserror::Error;
use tokio::{
    runtime::{self, Runtime},
    sync::watch,
};

use super::{
    LimitKey,
    bucket::{Bucket, Decision, MAX_PER_MINUTE},
    redis_url::RedisUrl,
};
use crate::pb::RateTier;

/// How long a call waits for the answer of Redis.
const CALL_BUDGET: Duration = Duration::from_millis(200);
/// How long Redis has to take a connection and to answer on it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// How long Redis is left alone after it failed.
const PAUSE: Duration = Duration::from_secs(1);

const TOKEN_BUCKET: &str = include_str!("token_bucket.lua");
const KEY_PREFIX: &str = "oauth-clients:limit:";

/// Why Redis does not decide.
#[derive(Debug, Error)]
enum Away {
    #[error("no answer in time")]
    TimedOut,
    #[error(transparent)]
    Failed(#[from] RedisError),
}

/// A connection that works, as far as is known. All calls share it.
type Link = Arc<MultiplexedConnection>;

/// The limits that are kept in Redis. Talking to it has a thread of its own: where all others are busy, an answer that
/// has come would be read so late that Redis seemed to be away.
#[derive(Debug)]
pub(super) struct Redis {
    shared: Arc<Shared>,
    thread: OwnThread,
}

/// What the thread works with.
struct Shared {
    url: RedisUrl,
    script: Script,
    link: watch::Sender<Option<Link>>,
}

/// A runtime that ends without being waited for, as it may be dropped within another.
#[derive(Debug)]
struct OwnThread(Option<Runtime>);

impl Redis {
    /// Connects, if Redis can be reached; else it will once it can.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub(super) async fn connect(url: RedisUrl) -> io::Result<Self> {
        if let ConnectionAddr::TcpTls { .. } = url.0.get_connection_info().addr() {
            // The client library takes the provider of the process. Perhaps there is one already.
            let _installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
        }
        let shared = Arc::new(Shared {
            url,
            script: Script::new(TOKEN_BUCKET),
            link: watch::Sender::new(None),
        });
        let thread = OwnThread::start()?;
        let first = shared.clone();
        thread
            .run(async move {
                if let Err(error) = first.link_up().await {
                    first.say_away(&error);
                }
            })
            .await;
        thread.spawn(shared.clone().keep_connected());
        Ok(Self { shared, thread })
    }

    /// Takes a call from the bucket of its caller, if there is room. Nothing when Redis does not answer.
    pub(super) async fn decide(&self, bucket: Bucket, caller: &LimitKey) -> Option<Decision> {
        let link = self.shared.link.borrow().clone()?;
        let (shared, key) = (self.shared.clone(), key(bucket.tier, caller));
        let deciding = async move {
            let outcome = within(CALL_BUDGET, shared.take(&link, &key, bucket)).await;
            outcome.map_err(|error| shared.drop_link(&link, &error)).ok()
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
    /// Connects anew whenever the connection was lost. It never ends.
    async fn keep_connected(self: Arc<Self>) {
        let mut link = self.link.subscribe();
        while link.wait_for(Option::is_none).await.is_ok() {
            tokio::time::sleep(PAUSE).await;
            // That Redis is away was said when it went.
            let _still_away = self.link_up().await;
        }
    }

    async fn link_up(&self) -> Result<(), Away> {
        let link = within(CONNECT_TIMEOUT, self.new_link()).await?;
        self.link.send_replace(Some(link));
        tracing::info!(redis = %self.url, "Redis answers: replicas share the rate limits");
        Ok(())
    }

    /// A connection counts once the script ran on it: what answers may be loading still, be a read-only replica, or
    /// refuse its user the script.
    async fn new_link(&self) -> Result<Link, RedisError> {
        // The time limits are those of this file.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None);
        let connecting = self.url.0.get_multiplexed_async_connection_with_config(&config);
        let link = Arc::new(connecting.await?);
        if let Some(bucket) = Bucket::new(RateTier::One, MAX_PER_MINUTE) {
            self.take(&link, &format!("{KEY_PREFIX}probe"), bucket).await?;
        }
        Ok(link)
    }

    async fn take(&self, link: &Link, key: &str, bucket: Bucket) -> Result<Decision, RedisError> {
        let (allowed, until_full) = self
            .script
            .key(key)
            .arg(micros(bucket.interval()))
            .arg(micros(bucket.window()))
            .invoke_async(&mut MultiplexedConnection::clone(link))
            .await?;
        Ok(Decision {
            bucket,
            allowed,
            until_full: Duration::from_micros(until_full).min(bucket.window()),
        })
    }

    /// Only the first of the calls that notice drops the connection, and says so.
    fn drop_link(&self, failed: &Link, error: &Away) {
        let dropped = self.link.send_if_modified(|link| {
            let same = link.as_ref().is_some_and(|link| Arc::ptr_eq(link, failed));
            if same {
                *link = None;
            }
            same
        });
        if dropped {
            self.say_away(error);
        }
    }

    fn say_away(&self, error: &Away) {
        tracing::warn!(redis = %self.url, %error, "Redis does not answer: each replica limits by itself");
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

async fn within<T>(limit: Duration, work: impl Future<Output = Result<T, RedisError>>) -> Result<T, Away> {
    match tokio::time::timeout(limit, work).await {
        Ok(outcome) => Ok(outcome?),
        Err(_) => Err(Away::TimedOut),
    }
}

/// The key of a bucket. Neither tenants nor subjects have control characters, so no two callers share one.
fn key(tier: RateTier, caller: &LimitKey) -> String {
    let (tenant, subject) = (caller.tenant.as_str(), caller.subject.as_str());
    format!("{KEY_PREFIX}{}:{tenant}\u{1f}{subject}", tier.name())
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
