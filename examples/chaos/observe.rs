//! The effects of a fault on the other tenant.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use tokio::{
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    task::JoinSet,
    time::sleep,
};

use crate::{
    stage::{OTHER, SUBJECTS, Stage},
    support::Outcome,
    traffic::{Caller, Failed, Kind, Over, Sample, Tracked, code, read, watch_readiness, write},
};

/// The number of clients that are changed, each by a writer of its own.
const WRITERS: usize = 4;
/// The number of reads at the end after which an acknowledged change counts as lost.
const LAST_READS: usize = 20;

/// The effects of a fault on the other tenant.
#[derive(Debug)]
pub(crate) struct Observed<T> {
    /// The figures of the fault itself.
    pub(crate) value: T,
    pub(crate) quiet: Vec<Sample>,
    /// From the begin of the fault to the end of the recovery. A request that was in flight at the begin counts.
    pub(crate) during: Vec<Sample>,
    /// The time from the end of the fault to the last request that failed; `None` if they go on failing.
    pub(crate) recovery: Option<Duration>,
    /// The number of acknowledged changes that are gone; `None` if they cannot be read.
    pub(crate) lost: Option<usize>,
    pub(crate) panics: usize,
}

/// The traffic of the other tenant.
struct Traffic {
    over: Over,
    tasks: JoinSet<Outcome<()>>,
    incoming: UnboundedReceiver<Sample>,
    created: UnboundedReceiver<String>,
    samples: Vec<Sample>,
}

impl Stage {
    /// Observes the other tenant before, during and after a fault, which lasts until its future ends.
    pub(crate) async fn observe<T>(
        &mut self,
        fault: impl AsyncFnOnce(&mut Self) -> Outcome<T>,
    ) -> Outcome<Observed<T>> {
        let mut traffic = Traffic::start(self)?;
        sleep(self.plan.warm_up).await;
        let quiet_from = Instant::now();
        sleep(self.plan.quiet).await;
        let from = Instant::now();
        let value = fault(self).await?;
        let to = Instant::now();
        let recovery = traffic.recovery(self, to).await;
        let (samples, created) = traffic.stop().await?;
        let lost = self.lost(&created).await?;

        let mut observed = Observed {
            value,
            quiet: Vec::new(),
            during: Vec::new(),
            recovery,
            lost,
            panics: self.panics()?,
        };
        let recovered = recovery.map(|recovery| to + recovery);
        for sample in samples {
            let ended = sample.at + sample.took;
            if ended > from && recovered.is_none_or(|recovered| sample.at <= recovered) {
                observed.during.push(sample);
            } else if ended <= from && sample.at >= quiet_from {
                observed.quiet.push(sample);
            }
        }
        Ok(observed)
    }

    /// Returns how many acknowledged changes are gone; `None` if the registry cannot be read.
    async fn lost(&self, created: &[String]) -> Outcome<Option<usize>> {
        let server = self.servers.first().ok_or("no server")?;
        let caller = Caller::of(server, OTHER, SUBJECTS)?;
        let mut lost = 0;
        for client in &*self.clients {
            match last_read(&caller, &client.id).await {
                Ok(name) if Tracked::is_stale(&name, client.acknowledged()) => lost += 1,
                Ok(_) => {}
                Err(code::NOT_FOUND) => lost += 1,
                Err(_) => return Ok(None),
            }
        }
        for id in created {
            match last_read(&caller, id).await {
                Ok(_) => {}
                Err(code::NOT_FOUND) => lost += 1,
                Err(_) => return Ok(None),
            }
        }
        Ok(Some(lost))
    }
}

impl Traffic {
    fn start(stage: &Stage) -> Outcome<Self> {
        // The connections belong to the runtime that they are made in.
        let _entered = stage.traffic.enter();
        let callers = stage
            .servers
            .iter()
            .map(|server| Caller::of(server, OTHER, SUBJECTS));
        let callers: Vec<Caller> = callers.collect::<Outcome<_>>()?;
        let over = Over::default();
        let (samples, incoming) = unbounded_channel();
        let (created_sender, created) = unbounded_channel();
        let mut tasks = JoinSet::new();
        let reads = read(
            callers.clone(),
            stage.clients.clone(),
            stage.plan.read_every,
            over.clone(),
            samples.clone(),
        );
        tasks.spawn_on(succeed(reads), &stage.traffic);
        for (writer, (server, caller)) in (0..WRITERS).zip(callers.iter().enumerate().cycle()) {
            let writes = write(
                (caller.clone(), server),
                Arc::clone(&stage.clients),
                writer,
                over.clone(),
                samples.clone(),
                created_sender.clone(),
            );
            tasks.spawn_on(succeed(writes), &stage.traffic);
        }
        for (number, server) in stage.servers.iter().enumerate() {
            let url = format!("http://{}/readyz", server.rest);
            let probes = watch_readiness(
                url,
                number,
                stage.plan.probe_timeout,
                over.clone(),
                samples.clone(),
            );
            tasks.spawn_on(probes, &stage.traffic);
        }
        Ok(Self {
            over,
            tasks,
            incoming,
            created,
            samples: Vec::new(),
        })
    }

    /// Waits until nothing fails any more, or for the longest time that recovery may take.
    async fn recovery(&mut self, stage: &Stage, to: Instant) -> Option<Duration> {
        loop {
            while let Ok(sample) = self.incoming.try_recv() {
                self.samples.push(sample);
            }
            let failed = self.samples.iter().filter(|sample| sample.outcome.is_err());
            let last = failed.map(|sample| sample.at).max().unwrap_or(to).max(to);
            let succeeds = |server, kind| {
                self.samples
                    .iter()
                    .any(|sample| sample.server == server && sample.kind == kind && sample.at > last)
            };
            let servers = 0..stage.servers.len();
            let all_succeed = servers.into_iter().all(|server| {
                [Kind::Read, Kind::Write, Kind::Ready]
                    .iter()
                    .all(|kind| succeeds(server, *kind))
            });
            if all_succeed && last.elapsed() >= stage.plan.calm {
                return Some(last - to);
            }
            if to.elapsed() > stage.plan.recovery + stage.plan.calm {
                return None;
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Stops the traffic, waits for the responses to requests in flight, and returns the samples and the ids of the clients
    /// that were created.
    async fn stop(mut self) -> Outcome<(Vec<Sample>, Vec<String>)> {
        self.over.store(true, Ordering::Relaxed);
        while let Some(ended) = self.tasks.join_next().await {
            ended??;
        }
        while let Some(sample) = self.incoming.recv().await {
            self.samples.push(sample);
        }
        let mut ids = Vec::new();
        while let Some(id) = self.created.recv().await {
            ids.push(id);
        }
        Ok((self.samples, ids))
    }
}

async fn succeed(traffic: impl Future<Output = ()>) -> Outcome<()> {
    traffic.await;
    Ok(())
}

async fn last_read(caller: &Caller, id: &str) -> Result<String, Failed> {
    let mut outcome = Err(code::UNAVAILABLE);
    for number in 0..LAST_READS {
        outcome = caller.get(u64::try_from(number).unwrap_or(0), id).await;
        match outcome {
            Ok(_) | Err(code::NOT_FOUND) => break,
            Err(_) => sleep(Duration::from_millis(50)).await,
        }
    }
    outcome
}

/// Counts failures by their code.
pub(crate) fn failures<'a>(samples: impl Iterator<Item = &'a Sample>) -> BTreeMap<Failed, usize> {
    let mut failures = BTreeMap::new();
    for code in samples.filter_map(|sample| sample.outcome.err()) {
        *failures.entry(code).or_default() += 1;
    }
    failures
}

/// Returns the smallest time that `permille` of sorted times do not exceed.
pub(crate) fn percentile(sorted: &[Duration], permille: usize) -> Duration {
    let place = (sorted.len() * permille).div_ceil(1_000).saturating_sub(1);
    sorted.get(place).copied().unwrap_or_default()
}
