//! Keeps the keys of the issuer up to date while the server runs.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, oneshot, watch},
    time::Instant,
};

use super::{
    KeyLocation, KeySet,
    source::{KeySource, SourceError},
    verified::VerifiedTokens,
};
use crate::error_chain::error_chain;

/// Between two readings that unknown keys cause, and before the next try after a failed one.
const MIN_INTERVAL: Duration = Duration::from_secs(10);
/// How often a file is looked at.
const FILE_INTERVAL: Duration = Duration::from_secs(1);
/// How many calls may wait in line for the keeper. More wait for their place in it.
const MAX_ASKING: usize = 64;

/// A key set, and the tokens that were verified with it. New keys come with an empty memory, so what a withdrawn key
/// signed is forgotten with it, and nothing that is verified meanwhile can slip into the new one.
#[derive(Debug)]
pub(super) struct Trust {
    pub(super) keys: KeySet,
    pub(super) verified: VerifiedTokens,
}

impl Trust {
    fn new(keys: KeySet) -> Arc<Self> {
        Arc::new(Self {
            keys,
            verified: VerifiedTokens::default(),
        })
    }
}

/// The keys of the issuer as they are now. Clones see the same.
#[derive(Debug, Clone)]
pub struct IssuerKeys {
    trust: watch::Receiver<Option<Arc<Trust>>>,
    asking: mpsc::Sender<oneshot::Sender<()>>,
}

/// Reads the keys anew while it [runs](Self::run).
#[derive(Debug)]
pub struct KeyKeeper {
    source: KeySource,
    location: KeyLocation,
    interval: Duration,
    document: Vec<u8>,
    trust: watch::Sender<Option<Arc<Trust>>>,
    asking: mpsc::Receiver<oneshot::Sender<()>>,
    failing: bool,
}

impl IssuerKeys {
    /// Keys that never change.
    pub fn fixed(keys: KeySet) -> Self {
        Self {
            trust: watch::channel(Some(Trust::new(keys))).1,
            asking: mpsc::channel(1).0,
        }
    }

    /// Keys that are kept up to date, and their keeper. A file is read at once. A URL is first read when the keeper
    /// runs, as the issuer may start later than this server; then every `refresh`.
    ///
    /// # Errors
    /// When the file cannot be read or holds no keys.
    pub async fn at(location: KeyLocation, refresh: Duration) -> Result<(Self, KeyKeeper), SourceError> {
        let (trust_sender, trust) = watch::channel(None);
        let (asking_sender, asking) = mpsc::channel(MAX_ASKING);
        let mut keeper = KeyKeeper {
            source: KeySource::open(&location)?,
            interval: match location {
                KeyLocation::File(_) => FILE_INTERVAL,
                KeyLocation::Url(_) => refresh,
            },
            location,
            document: Vec::new(),
            trust: trust_sender,
            asking,
            failing: false,
        };
        if matches!(keeper.location, KeyLocation::File(_)) {
            keeper.read().await?;
        }
        let keys = Self {
            trust,
            asking: asking_sender,
        };
        Ok((keys, keeper))
    }

    /// Whether any keys were had yet.
    pub fn are_known(&self) -> bool {
        self.trust.borrow().is_some()
    }

    /// Waits until keys were had.
    pub async fn known(&self) {
        // An error means that the keeper is gone: the server is ending.
        let mut trust = self.trust.clone();
        let _gone = trust.wait_for(Option::is_some).await.is_err();
    }

    pub(super) fn trust(&self) -> Option<Arc<Trust>> {
        self.trust.borrow().clone()
    }

    /// What is trusted after the source was asked again, unless that was just done.
    pub(super) async fn refreshed(&self) -> Option<Arc<Trust>> {
        let (asking, answered) = oneshot::channel();
        if self.asking.send(asking).await.is_ok() {
            // The keeper answers by dropping its end.
            let _dropped = answered.await;
        }
        self.trust()
    }
}

impl KeyKeeper {
    /// Reads the keys now and then, and when a call names an unknown one. Ends with the last of the [`IssuerKeys`].
    pub async fn run(mut self) {
        let mut next = Instant::now();
        let mut last_asked: Option<Instant> = None;
        loop {
            let asking = tokio::select! {
                () = tokio::time::sleep_until(next) => None,
                asking = self.asking.recv() => match asking {
                    None => return,
                    Some(_) if last_asked.is_some_and(|last| last.elapsed() < MIN_INTERVAL) => continue,
                    asking => {
                        last_asked = Some(Instant::now());
                        asking
                    }
                },
            };
            self.try_read().await;
            drop(asking);
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

    /// Reads the keys, and keeps the old ones when there are no new ones.
    async fn try_read(&mut self) {
        let outcome = self.read().await;
        let failing = outcome.is_err();
        match outcome {
            Ok(()) if self.failing => {
                tracing::info!(from = %self.location, "the keys of the issuer can be had again");
            }
            Err(error) if !self.failing => {
                let (cause, old) = (error_chain(&error), self.trust.borrow().is_some());
                tracing::warn!(cause, old, from = %self.location, "the keys of the issuer cannot be had");
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
        self.document = document;
        self.trust.send_replace(Some(Trust::new(keys)));
        tracing::info!(from = %self.location, "the keys of the issuer are new");
        Ok(())
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
        tokio::spawn(keeper.run());
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
    async fn asking_reads_the_keys_at_most_every_ten_seconds() {
        let (_dir, path) = dir("a");
        let keys = keep(&path, Duration::from_hours(1)).await;
        let knows = async |kid| keys.refreshed().await.unwrap().keys.knows(kid);
        write(&path, "b");
        assert!(knows("b").await, "the first to ask is heard");
        write(&path, "c");
        for _ in 0..100 {
            assert!(!knows("c").await, "nobody else is for ten seconds");
        }
        tokio::time::sleep(MIN_INTERVAL).await;
        assert!(knows("c").await && !knows("b").await);
    }

    #[tokio::test(start_paused = true)]
    async fn keys_that_cannot_be_read_leave_the_old_ones() {
        let (_dir, path) = dir("a");
        let interval = Duration::from_mins(5);
        let keys = keep(&path, interval).await;
        let old = keys.trust().unwrap();
        for broken in ["", "{", "{\"keys\": []}"] {
            fs::write(&path, broken).unwrap();
            tokio::time::sleep(interval).await;
            assert!(Arc::ptr_eq(&keys.trust().unwrap(), &old), "{broken}");
        }
        fs::remove_file(&path).unwrap();
        tokio::time::sleep(interval).await;
        assert!(Arc::ptr_eq(&keys.trust().unwrap(), &old));
        // After a failure it tries again soon.
        write(&path, "b");
        tokio::time::sleep(MIN_INTERVAL).await;
        assert!(keys.trust().unwrap().keys.knows("b"));
    }

    #[tokio::test(start_paused = true)]
    async fn the_same_keys_leave_the_verified_tokens_in_memory() {
        let (_dir, path) = dir("a");
        let keys = keep(&path, FILE_INTERVAL).await;
        let old = keys.trust().unwrap();
        write(&path, "a");
        tokio::time::sleep(FILE_INTERVAL * 3).await;
        assert!(Arc::ptr_eq(&keys.trust().unwrap(), &old));
        write(&path, "b");
        tokio::time::sleep(FILE_INTERVAL * 3).await;
        assert!(!Arc::ptr_eq(&keys.trust().unwrap(), &old));
    }

    #[tokio::test(start_paused = true)]
    async fn the_keeper_ends_with_the_last_who_needs_its_keys() {
        let (_dir, path) = dir("a");
        let (keys, keeper) = IssuerKeys::at(KeyLocation::File(path), FILE_INTERVAL)
            .await
            .unwrap();
        let running = tokio::spawn(keeper.run());
        drop(keys);
        running.await.unwrap();
    }
}
