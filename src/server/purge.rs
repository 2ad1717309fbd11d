//! Purges what is old enough.

use std::time::Duration;

use crate::{
    error_chain::error_chain,
    store::{Cutoff, Store},
};

/// The interval at which old rows are looked for.
const INTERVAL: Duration = Duration::from_mins(1);

/// Purges the rows of each table that are older than its cutoff, in batches. Several replicas may do so at once.
pub(super) async fn purge(store: &Store, cutoffs: &[Cutoff]) {
    let mut interval = tokio::time::interval(INTERVAL);
    loop {
        interval.tick().await;
        for cutoff in cutoffs {
            purge_table(store, *cutoff).await;
        }
    }
}

async fn purge_table(store: &Store, cutoff: Cutoff) {
    let table = cutoff.table.as_str();
    loop {
        match store.purge(cutoff).await {
            Ok(0) => break,
            Ok(count) => tracing::debug!(table, count, "old rows purged"),
            Err(error) => {
                tracing::warn!(table, cause = error_chain(&error), "old rows not purged");
                break;
            }
        }
    }
}
