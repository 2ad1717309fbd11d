//! The places of connections: their number is limited, over both transports.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{config::ServerConfig, io::descriptors, store::DEFAULT_CONNECTIONS};

/// The number of connections of a transport that are accepted beyond the limit, for probes.
pub(super) const RESERVE: usize = 16;

/// The file descriptors that a server needs beside its connections and those to the database: for the reserves of both
/// transports, listeners, files, Redis and telemetry.
const OTHER_DESCRIPTORS: usize = 2 * RESERVE + 32;

/// The place of an open connection, which is free again once this is dropped.
pub(super) type Place = OwnedSemaphorePermit;

/// The places of the connections of both transports.
#[derive(Debug, Clone)]
pub(super) struct Places {
    free: Arc<Semaphore>,
    max: usize,
}

impl Places {
    /// Creates as many places as the configuration and the limit of file descriptors allow.
    pub(super) fn new(config: &ServerConfig) -> Self {
        let database = config
            .database_connections
            .map_or(DEFAULT_CONNECTIONS, Into::into);
        let possible = possible(descriptors::limit(), database);
        let max = match config.connections.max_open.map(Into::into) {
            Some(max) if max > possible => {
                tracing::warn!(
                    max,
                    possible,
                    "fewer connections than configured, for lack of file descriptors"
                );
                possible
            }
            Some(max) => max,
            None => possible,
        };
        Self::with_max(max)
    }

    /// Creates so many places.
    pub(super) fn with_max(max: usize) -> Self {
        Self {
            free: Arc::new(Semaphore::new(max)),
            max,
        }
    }

    /// Takes a place, if one is free.
    pub(super) fn take(&self) -> Option<Place> {
        Arc::clone(&self.free).try_acquire_owned().ok()
    }

    /// Returns `true` if a tenth of the places is free.
    pub(super) fn has_room(&self) -> bool {
        self.free.available_permits() > self.max / 10
    }

    pub(super) fn max(&self) -> usize {
        self.max
    }
}

/// Returns the number of connections that file descriptors allow: 90 % of them, and fewer if the server itself needs more
/// than the rest.
fn possible(descriptors: u64, database: u32) -> usize {
    let descriptors = usize::try_from(descriptors).unwrap_or(usize::MAX);
    let database = usize::try_from(database).unwrap_or(usize::MAX);
    let own = OTHER_DESCRIPTORS.saturating_add(database);
    let most = descriptors - descriptors.div_ceil(10);
    most.min(descriptors.saturating_sub(own))
        .clamp(1, Semaphore::MAX_PERMITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_have_nine_tenths_of_the_descriptors_or_what_the_server_leaves() {
        for (descriptors, database, connections) in [
            (20_000, 16, 18_000),
            (1_024, 16, 921),
            (1_024, 200, 760),
            (256, 16, 176),
            (64, 16, 1),
            (0, 16, 1),
            (u64::MAX, 16, Semaphore::MAX_PERMITS),
        ] {
            assert_eq!(
                possible(descriptors, database),
                connections,
                "{descriptors} {database}"
            );
        }
    }
}
