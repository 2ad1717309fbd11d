//! The limit of streams.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{
    auth::Caller,
    domain::ids::{Subject, TenantId},
    pb::v1::ErrorReason,
    rpc::failure::Failure,
};

/// The time after which a caller should try again.
const RETRY: Duration = Duration::from_secs(10);

type Key = (TenantId, Subject);

/// Counts the streams of each subject, and admits as many as may be.
#[derive(Debug, Clone)]
pub(super) struct Admission {
    limit: u32,
    counts: Arc<Mutex<HashMap<Key, u32>>>,
}

/// A stream that was admitted. It counts until this is dropped.
#[derive(Debug)]
pub(super) struct Admitted {
    admission: Admission,
    key: Key,
}

impl Admission {
    pub(super) fn new(limit: u32) -> Self {
        Self {
            limit,
            counts: Arc::default(),
        }
    }

    /// Admits a stream.
    ///
    /// # Errors
    /// If the subject has as many as it may have.
    pub(super) fn admit(&self, caller: &Caller) -> Result<Admitted, Failure> {
        let key = (caller.tenant().clone(), caller.subject().clone());
        let mut counts = self.lock();
        let count = counts.entry(key.clone()).or_default();
        if *count >= self.limit {
            let detail = format!("a subject may have {} streams at a time", self.limit);
            return Err(Failure::new(ErrorReason::RateLimited, detail).retry_after(RETRY));
        }
        *count += 1;
        drop(counts);
        Ok(Admitted {
            admission: self.clone(),
            key,
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, u32>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut counts = self.admission.lock();
        if let Some(count) = counts.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.key);
            }
        }
    }
}
