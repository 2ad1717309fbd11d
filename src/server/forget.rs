//! Forgets what is kept for a while only.

use std::time::{Duration, SystemTime};

use crate::store::Store;

/// How often used assertions that have expired are deleted.
const INTERVAL: Duration = Duration::from_mins(1);

/// Deletes used assertions that have expired, batch by batch, while the server runs. Several servers may do so at once.
pub(super) async fn forget_assertions(store: Store) {
    let mut interval = tokio::time::interval(INTERVAL);
    loop {
        interval.tick().await;
        loop {
            match store.forget_assertions(SystemTime::now().into()).await {
                Ok(0) => break,
                Ok(count) => tracing::debug!(count, "used assertions have expired"),
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(error, "used assertions were not deleted");
                    break;
                }
            }
        }
    }
}
