//! Load of an attacker: a closed loop of requests in flight.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use tokio::{
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    task::JoinSet,
    time::sleep,
};

use super::{Caller, Failed};

/// The pause after a failure, so that refused requests are not sent again at once.
const PAUSE: Duration = Duration::from_millis(20);

/// An attack that goes on until it is stopped.
pub(crate) struct Attack {
    started: Instant,
    tasks: JoinSet<()>,
    outcomes: UnboundedReceiver<(Duration, Result<(), Failed>)>,
}

/// The outcomes of an attack.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) lasted: Duration,
    /// The times of the requests that succeeded.
    pub(crate) succeeded: Vec<Duration>,
    pub(crate) failed: BTreeMap<Failed, usize>,
}

impl Attack {
    /// Keeps requests in flight, which the callers send in turn. `send` gets a caller and the number of its request.
    pub(crate) fn start<F>(
        callers: &[Caller],
        in_flight: usize,
        send: impl Fn(Caller, u64) -> F + Clone + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<(), Failed>> + Send,
    {
        let (sender, outcomes) = unbounded_channel();
        let mut tasks = JoinSet::new();
        for caller in callers.iter().cycle().take(in_flight) {
            let (caller, sender, send) = (caller.clone(), sender.clone(), send.clone());
            tasks.spawn(async move {
                for number in 0.. {
                    let at = Instant::now();
                    let outcome = send(caller.clone(), number).await;
                    if sender.send((at.elapsed(), outcome)).is_err() {
                        return;
                    }
                    if outcome.is_err() {
                        sleep(PAUSE).await;
                    }
                }
            });
        }
        Self {
            started: Instant::now(),
            tasks,
            outcomes,
        }
    }

    /// Ends the attack. Requests in flight are abandoned.
    pub(crate) async fn stop(mut self) -> Tally {
        let lasted = self.started.elapsed();
        self.tasks.shutdown().await;
        self.outcomes.close();
        let mut tally = Tally {
            lasted,
            ..Tally::default()
        };
        while let Some((took, outcome)) = self.outcomes.recv().await {
            match outcome {
                Ok(()) => tally.succeeded.push(took),
                Err(code) => *tally.failed.entry(code).or_default() += 1,
            }
        }
        tally.succeeded.sort_unstable();
        tally
    }
}

impl Tally {
    /// Returns the requests that succeeded, a second.
    pub(crate) fn rate(&self) -> f64 {
        let count = u32::try_from(self.succeeded.len()).unwrap_or(u32::MAX);
        f64::from(count) / self.lasted.as_secs_f64()
    }
}
