//! Limits that replicas share through Redis. A call never waits for a connection: there is one, or the call is not for
//! Redis to decide.

use std::{fmt, sync::Arc, time::Duration};

use redis::{AsyncConnectionConfig, ConnectionAddr, RedisError, Script, aio::MultiplexedConnection};
use thiserror::Error;
use tokio::sync::watch;

use super::{
    Caller,
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

/// The limits that are kept in Redis.
pub(super) struct Redis {
    url: RedisUrl,
    script: Script,
    link: watch::Sender<Option<Link>>,
}

impl Redis {
    /// Connects, if Redis can be reached; else [`keep_connected`](Self::keep_connected) will, once it can.
    pub(super) async fn connect(url: RedisUrl) -> Self {
        if let ConnectionAddr::TcpTls { .. } = url.0.get_connection_info().addr() {
            // The client library takes the provider of the process. Perhaps there is one already.
            let _installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
        }
        let redis = Self {
            url,
            script: Script::new(TOKEN_BUCKET),
            link: watch::Sender::new(None),
        };
        if let Err(error) = redis.link_up().await {
            redis.say_away(&error);
        }
        redis
    }

    /// Connects anew whenever the connection was lost. It never ends.
    pub(super) async fn keep_connected(&self) {
        let mut link = self.link.subscribe();
        while link.wait_for(Option::is_none).await.is_ok() {
            tokio::time::sleep(PAUSE).await;
            // That Redis is away was said when it went.
            let _still_away = self.link_up().await;
        }
    }

    /// Takes a call from the bucket of its caller, if there is room. Nothing when Redis does not answer.
    pub(super) async fn decide(&self, bucket: Bucket, caller: &Caller) -> Option<Decision> {
        let link = self.link.borrow().clone()?;
        match within(CALL_BUDGET, self.take(&link, &key(bucket.tier, caller), bucket)).await {
            Ok(decision) => Some(decision),
            Err(error) => {
                self.drop_link(&link, &error);
                None
            }
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
            until_full: Duration::from_micros(until_full),
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

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis")
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
fn key(tier: RateTier, caller: &Caller) -> String {
    let (tenant, subject) = (caller.tenant.as_str(), caller.subject.as_str());
    format!("{KEY_PREFIX}{}:{tenant}\u{1f}{subject}", tier.name())
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
