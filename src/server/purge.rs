//! Purges expired data.

use std::time::Duration;

use crate::{error_chain::error_chain, store::Store};

/// The interval at which expired data is purged.
const INTERVAL: Duration = Duration::from_mins(1);

/// Purges used assertions that no replica accepts any more, in batches. Several replicas may do so at once.
pub(super) async fn purge_assertions(store: Store) {
    let mut interval = tokio::time::interval(INTERVAL);
    loop {
        interval.tick().await;
        loop {
            match store.purge_assertions().await {
                Ok(0) => break,
                Ok(count) => tracing::debug!(count, "expired assertions purged"),
                Err(error) => {
                    tracing::warn!(cause = error_chain(&error), "expired assertions not purged");
                    break;
                }
            }
        }
    }
}

/// Purges the responses that are kept for retries once no retry can expect them any more, in batches. Several replicas may
/// do so at once.
pub(super) async fn purge_responses(store: Store) {
    let mut interval = tokio::time::interval(INTERVAL);
    loop {
        interval.tick().await;
        loop {
            match store.purge_responses().await {
                Ok(0) => break,
                Ok(count) => tracing::debug!(count, "kept responses purged"),
                Err(error) => {
                    tracing::warn!(cause = error_chain(&error), "kept responses not purged");
                    break;
                }
            }
        }
    }
}
