//! Refreshes the keys of the issuer while the server runs.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, oneshot, watch},
    time::Instant,
};

use super::{
    KeyLocation, KeySet,
    keys::{CrowdedId, UnusableKey},
    source::{KeySource, SourceError},
    verified::VerifiedTokens,
};
use crate::{error_chain::error_chain, io::poll::POLL_INTERVAL};

/// The pause between two refreshes for unknown keys, and after a failed refresh.
const MIN_INTERVAL: Duration = Duration::from_secs(10);
/// The length of the queue of requests for a refresh. When it is full, requests wait to enter it.
const MAX_REFRESH_REQUESTS: usize = 64;

/// The most keys of a set that are logged one by one, as the log has room for other lines too.
const MAX_WARNINGS: usize = 100;

/// A key set, and the tokens that were verified with it.
///
/// A new key set comes with an empty cache, so the tokens of a withdrawn key go with it. A verification that is under way
/// at that moment ends up in the old cache.
#[derive(Debug)]
pub(super) struct TrustedKeys {
    pub(super) keys: KeySet,
    pub(super) verified: VerifiedTokens,
}

impl TrustedKeys {
    fn new(keys: KeySet) -> Arc<Self> {
        Arc::new(Self {
            keys,
            verified: VerifiedTokens::default(),
        })
    }
}

/// The current keys of the issuer. Clones share them.
#[derive(Debug, Clone)]
pub struct IssuerKeys {
    trusted: watch::Receiver<Option<Arc<TrustedKeys>>>,
    refresh_requests: mpsc::Sender<oneshot::Sender<()>>,
}

/// Refreshes the keys while it [runs](Self::run).
#[derive(Debug)]
pub struct KeyKeeper {
    source: KeySource,
    location: KeyLocation,
    interval: Duration,
    document: Vec<u8>,
    trusted: watch::Sender<Option<Arc<TrustedKeys>>>,
    refresh_requests: mpsc::Receiver<oneshot::Sender<()>>,
    failing: bool,
}

impl IssuerKeys {
    /// Creates keys that never change.
    pub fn fixed(keys: KeySet) -> Self {
        Self {
            trusted: watch::channel(Some(TrustedKeys::new(keys))).1,
            refresh_requests: mpsc::channel(1).0,
        }
    }

    /// Creates keys that a keeper refreshes. A file is read at once. A URL is first read when the keeper runs, as the issuer
    /// may start later than this server; then every `refresh`.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read or has no usable key.
    pub async fn at(location: KeyLocation, refresh: Duration) -> Result<(Self, KeyKeeper), SourceError> {
        let (sender, trusted) = watch::channel(None);
        let (request_sender, refresh_requests) = mpsc::channel(MAX_REFRESH_REQUESTS);
        let mut keeper = KeyKeeper {
            source: KeySource::open(&location)?,
            interval: match location {
                KeyLocation::File(_) => POLL_INTERVAL,
                KeyLocation::Url(_) => refresh,
            },
            location,
            document: Vec::new(),
            trusted: sender,
            refresh_requests,
            failing: false,
        };
        if matches!(keeper.location, KeyLocation::File(_)) {
            keeper.read().await?;
        }
        let keys = Self {
            trusted,
            refresh_requests: request_sender,
        };
        Ok((keys, keeper))
    }

    /// Returns `true` once the keys were read.
    pub fn are_known(&self) -> bool {
        self.trusted.borrow().is_some()
    }

    /// Waits until the keys were read.
    pub async fn known(&self) {
        // An error means that the keeper is gone: the server is ending.
        let mut trusted = self.trusted.clone();
        let _gone = trusted.wait_for(Option::is_some).await.is_err();
    }

    pub(super) fn current(&self) -> Option<Arc<TrustedKeys>> {
        self.trusted.borrow().clone()
    }

    /// Returns the keys after a refresh, unless there was one just now.
    pub(super) async fn refreshed(&self) -> Option<Arc<TrustedKeys>> {
        let (done, refreshed) = oneshot::channel();
        if self.refresh_requests.send(done).await.is_ok() {
            // The keeper drops its end when it is done.
            let _dropped = refreshed.await;
        }
        self.current()
    }
}

impl KeyKeeper {
    /// Refreshes the keys at intervals, and when a token names an unknown one. Returns when the last of the [`IssuerKeys`] is
    /// dropped.
    #[expect(clippy::disallowed_methods, reason = "the task owns its timers")]
    pub async fn run(&mut self) {
        let mut next = Instant::now();
        let mut last_requested: Option<Instant> = None;
        loop {
            let done = tokio::select! {
                () = tokio::time::sleep_until(next) => None,
                request = self.refresh_requests.recv() => match request {
                    None => return,
                    Some(_) if last_requested.is_some_and(|last| last.elapsed() < MIN_INTERVAL) => continue,
                    request => {
                        last_requested = Some(Instant::now());
                        request
                    }
                },
            };
            self.refresh().await;
            drop(done);
            next = Instant::now() + self.pause();
        }
    }

    fn pause(&self) -> Duration {
        if self.failing {
            self.interval.min(MIN_INTERVAL)
        } else {
            self.interval
        }
    }

    /// Reads the keys. If that fails, the old ones stay.
    async fn refresh(&mut self) {
        let outcome = self.read().await;
        let failing = outcome.is_err();
        match outcome {
            Ok(()) if self.failing => {
                tracing::info!(from = %self.location, "key set refresh succeeded again");
            }
            Err(error) if !self.failing => {
                let (cause, old) = (error_chain(&error), self.trusted.borrow().is_some());
                tracing::warn!(cause, old, from = %self.location, "key set refresh failed");
            }
            Ok(()) | Err(_) => {}
        }
        self.failing = failing;
    }

    async fn read(&mut self) -> Result<(), SourceError> {
        let document = self.source.read().await?;
        if document == self.document {
            return Ok(());
        }
        let keys = KeySet::from_json(&document)?;
        self.warn_of(&keys);
        self.trusted.send_replace(Some(TrustedKeys::new(keys)));
        self.document = document;
        tracing::info!(from = %self.location, "key set refreshed");
        Ok(())
    }

    /// Logs which keys of a set verify no tokens, once for each new set.
    fn warn_of(&self, keys: &KeySet) {
        let from = &self.location;
        let unusable = keys.unusable();
        for UnusableKey { number, id, flaw } in unusable.iter().take(MAX_WARNINGS) {
            tracing::warn!(number, kid = id, %flaw, %from, "issuer key not usable");
        }
        if let Some(more @ 1..) = unusable.len().checked_sub(MAX_WARNINGS) {
            tracing::warn!(more, %from, "more issuer keys not usable");
        }
        for CrowdedId { id, keys } in keys.crowded().iter().take(MAX_WARNINGS) {
            tracing::warn!(kid = id, keys, %from, "more issuer keys under one kid than are tried");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use serde_json::json;
    use tempfile::TempDir;

    use super::*;

    fn write(path: &Path, kid: &str) {
        let key = json!({
            "kty": "EC", "crv": "P-256", "kid": kid,
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        });
        fs::write(path, json!({"keys": [key]}).to_string()).unwrap();
    }

    async fn keep(path: &Path, interval: Duration) -> IssuerKeys {
        let location = KeyLocation::File(path.to_owned());
        let (keys, mut keeper) = IssuerKeys::at(location, Duration::ZERO).await.unwrap();
        keeper.interval = interval;
        tokio::spawn(async move { keeper.run().await });
        tokio::time::sleep(Duration::from_millis(1)).await;
        keys
    }

    fn dir(kid: &str) -> (TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("jwks.json");
        write(&path, kid);
        (dir, path)
    }

    #[tokio::test(start_paused = true)]
    async fn unknown_keys_cause_a_refresh_at_most_every_ten_seconds() {
        let (_dir, path) = dir("a");
        let keys = keep(&path, Duration::from_hours(1)).await;
        let knows = async |kid| keys.refreshed().await.unwrap().keys.knows(kid);
        write(&path, "b");
        assert!(knows("b").await, "the first request is served");
        write(&path, "c");
        for _ in 0..100 {
            assert!(!knows("c").await, "no other is for ten seconds");
        }
        tokio::time::sleep(MIN_INTERVAL).await;
        assert!(knows("c").await && !knows("b").await);
    }

    #[tokio::test(start_paused = true)]
    async fn the_old_keys_stay_if_the_new_ones_cannot_be_read() {
        let (_dir, path) = dir("a");
        let interval = Duration::from_mins(5);
        let keys = keep(&path, interval).await;
        let old = keys.current().unwrap();
        for broken in ["", "{", "{\"keys\": []}"] {
            fs::write(&path, broken).unwrap();
            tokio::time::sleep(interval).await;
            assert!(Arc::ptr_eq(&keys.current().unwrap(), &old), "{broken}");
        }
        fs::remove_file(&path).unwrap();
        tokio::time::sleep(interval).await;
        assert!(Arc::ptr_eq(&keys.current().unwrap(), &old));
        // A failed refresh is retried soon.
        write(&path, "b");
        tokio::time::sleep(MIN_INTERVAL).await;
        assert!(keys.current().unwrap().keys.knows("b"));
    }

    #[tokio::test(start_paused = true)]
    async fn unchanged_keys_keep_the_verified_tokens() {
        let (_dir, path) = dir("a");
        let keys = keep(&path, POLL_INTERVAL).await;
        let old = keys.current().unwrap();
        write(&path, "a");
        tokio::time::sleep(POLL_INTERVAL * 3).await;
        assert!(Arc::ptr_eq(&keys.current().unwrap(), &old));
        write(&path, "b");
        tokio::time::sleep(POLL_INTERVAL * 3).await;
        assert!(!Arc::ptr_eq(&keys.current().unwrap(), &old));
    }

    #[tokio::test(start_paused = true)]
    async fn the_keeper_ends_with_the_last_user_of_its_keys() {
        let (_dir, path) = dir("a");
        let (keys, mut keeper) = IssuerKeys::at(KeyLocation::File(path), POLL_INTERVAL)
            .await
            .unwrap();
        let running = tokio::spawn(async move { keeper.run().await });
        drop(keys);
        running.await.unwrap();
    }
}
