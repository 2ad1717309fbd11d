//! Forgets what is kept for a while only.

use std::time::{Duration, SystemTime};

use crate::{rpc::status::chain, store::Store};

/// How often used assertions that have expired are deleted.
const INTERVAL: Duration = Duration::from_mins(1);
/// How long they are kept after that: for another server, whose clock is behind, they may not have expired yet.
const MARGIN: Duration = Duration::from_mins(5);

/// Deletes used assertions that have expired, batch by batch, while the server runs. Several servers may do so at once.
pub(super) async fn forget_assertions(store: Store) {
    let mut interval = tokio::time::interval(INTERVAL);
    loop {
        interval.tick().await;
        loop {
            match store.forget_assertions((SystemTime::now() - MARGIN).into()).await {
                Ok(0) => break,
                Ok(count) => tracing::debug!(count, "used assertions have expired"),
                Err(error) => {
                    tracing::warn!(cause = chain(&error), "used assertions were not deleted");
                    break;
                }
            }
        }
    }
}
