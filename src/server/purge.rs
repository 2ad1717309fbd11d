//! Deletes what is kept for a limited time.

use std::time::Duration;

use crate::{error_chain::error_chain, store::Store};

/// How often used assertions are looked for that no server accepts any more.
const INTERVAL: Duration = Duration::from_mins(1);

/// Deletes used assertions that have expired, batch by batch, while the server runs. Several servers may do so at once.
pub(super) async fn purge_assertions(store: Store) {
    let mut interval = tokio::time::interval(INTERVAL);
    loop {
        interval.tick().await;
        loop {
            match store.purge_assertions().await {
                Ok(0) => break,
                Ok(count) => tracing::debug!(count, "expired assertions deleted"),
                Err(error) => {
                    tracing::warn!(cause = error_chain(&error), "expired assertions not deleted");
                    break;
                }
            }
        }
    }
}
