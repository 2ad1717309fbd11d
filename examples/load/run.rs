//! Sends requests for a while, and measures their latencies.

use std::{sync::Arc, time::Duration};

use tokio::task::JoinSet;

use crate::{
    connection::{Call, Connection},
    pace::{Loop, Pace},
    support::Outcome,
};

/// The requests of a run by number; `None` if there are no more.
pub(crate) type Calls = Arc<dyn Fn(u64) -> Option<Call> + Send + Sync>;
/// Returns `true` if a response is the expected one.
pub(crate) type Check = fn(&[u8]) -> bool;

/// The results of one or more runs.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    pub(crate) latencies: Vec<Duration>,
    pub(crate) elapsed: Duration,
    pub(crate) response_bytes: usize,
}

impl Measured {
    pub(crate) fn add(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        self.elapsed += other.elapsed;
        self.response_bytes += other.response_bytes;
    }

    /// Returns the average size of a response in bytes.
    pub(crate) fn response_size(&self) -> usize {
        self.response_bytes / self.latencies.len().max(1)
    }
}

/// Sends requests until the time is over and all have their responses, or one fails.
pub(crate) async fn run(
    connections: &[Connection],
    calls: &Calls,
    check: Check,
    how: Loop,
    lasts: Duration,
) -> Outcome<Measured> {
    let pace = Pace::start(how, lasts);
    let mut callers = JoinSet::new();
    for connection in connections.iter().cycle().take(how.in_flight) {
        callers.spawn(call_in_turn(
            connection.clone(),
            calls.clone(),
            check,
            pace.clone(),
        ));
    }
    let mut measured = Measured::default();
    while let Some(caller) = callers.join_next().await {
        measured.add(caller??);
    }
    measured.elapsed = pace.elapsed();
    Ok(measured)
}

/// Sends requests one after the other, as one of several callers.
async fn call_in_turn(
    mut connection: Connection,
    calls: Calls,
    check: Check,
    pace: Arc<Pace>,
) -> Outcome<Measured> {
    let mut measured = Measured::default();
    while let Some(start) = pace.next().await {
        let Some(call) = calls(start.number) else { break };
        let response = connection.send(call).await?;
        measured.latencies.push(start.at.elapsed());
        measured.response_bytes += response.len();
        if !check(&response) {
            return Err("unexpected response".into());
        }
    }
    Ok(measured)
}
