//! Sends calls for a while, and notes how long each took.

use std::{sync::Arc, time::Duration};

use tokio::task::JoinSet;

use crate::{
    connection::{Call, Connection},
    pace::{Loop, Pace},
    support::Outcome,
};

/// The calls of a run, by number. Nothing when there are no more.
pub(crate) type Calls = Arc<dyn Fn(u64) -> Option<Call> + Send + Sync>;
/// Whether an answer is the one that was expected.
pub(crate) type Check = fn(&[u8]) -> bool;

/// What came of a run, or of several.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    pub(crate) latencies: Vec<Duration>,
    pub(crate) elapsed: Duration,
    pub(crate) answer_bytes: usize,
}

impl Measured {
    pub(crate) fn add(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        self.elapsed += other.elapsed;
        self.answer_bytes += other.answer_bytes;
    }

    /// How many bytes an answer had, on average.
    pub(crate) fn answer_size(&self) -> usize {
        self.answer_bytes / self.latencies.len().max(1)
    }
}

/// Sends calls until the time is over and all are answered, or one fails.
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

/// One of the callers that have a call in flight each.
async fn call_in_turn(
    mut connection: Connection,
    calls: Calls,
    check: Check,
    pace: Arc<Pace>,
) -> Outcome<Measured> {
    let mut measured = Measured::default();
    while let Some(start) = pace.next().await {
        let Some(call) = calls(start.number) else { break };
        let answer = connection.send(call).await?;
        measured.latencies.push(start.at.elapsed());
        measured.answer_bytes += answer.len();
        if !check(&answer) {
            return Err("an answer is not the one that was expected".into());
        }
    }
    Ok(measured)
}
