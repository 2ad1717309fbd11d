//! Measures what an overload does: ten times as many requests in flight as the server can use.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{task::JoinSet, time::sleep};
use tonic::{Code, Status};

use crate::{
    connection::{Connection, Transport},
    operation::Operation,
    process::resident,
    run::Calls,
    support::{Outcome, Registry},
    world::World,
};

pub(crate) const HEAD: &str = "\
| operation | full load, in flight | calls/s | p50 | p99 | calls/s at 10 times | of full load | p50 | p99 | refused/s | p99 refused | failed | memory before, during, after | back to normal after |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- | ---: |";

/// Operations that need the database, one for each kind of work.
pub(crate) const OPERATIONS: [Operation; 3] = [Operation::LookUp, Operation::List, Operation::Patch];

/// The numbers in flight among which full load is found.
const IN_FLIGHT: [usize; 9] = [1, 2, 4, 8, 16, 32, 64, 128, 256];
/// The overload, in times of full load.
const TIMES: usize = 10;
/// The requests in flight on a connection; a server admits 200.
const PER_CONNECTION: usize = 50;
/// The part of the best throughput that full load has, and that counts as normal.
const FULL: f64 = 0.9;
const NORMAL: f64 = 0.9;
/// The time in which throughput is looked at for whether it is normal.
const WINDOW: Duration = Duration::from_millis(100);

/// Requests that ended, with their times.
#[derive(Default)]
struct Ended {
    /// The end of each request that succeeded, since the start, and its latency.
    succeeded: Vec<(Duration, Duration)>,
    refused: Vec<Duration>,
    failed: u64,
    elapsed: Duration,
}

/// The callers of an operation.
struct Callers {
    connections: Vec<Connection>,
    calls: Calls,
    next: Arc<AtomicU64>,
}

/// Measures an operation, and returns its row of the table.
pub(crate) async fn row(
    operation: Operation,
    lasts: Duration,
    world: &Arc<World>,
    registry: &Registry,
) -> Outcome<String> {
    if operation == Operation::AuthenticateAssertion {
        return Err("its requests cannot be made as fast as they are refused".into());
    }
    let authorization = registry.authorization(&world.tenant)?;
    let [grpc, rest] = registry.transports;
    let addr = match operation.transport() {
        Transport::Grpc => grpc,
        Transport::Rest => rest,
    };
    let most = IN_FLIGHT.iter().max().copied().unwrap_or(1) * TIMES;
    let count = most.div_ceil(PER_CONNECTION);
    let callers = Callers {
        connections: Connection::open(operation.transport(), addr, count, &authorization).await?,
        calls: operation.calls(world, 0, usize::MAX)?,
        next: Arc::default(),
    };
    let full = callers.full_load(lasts / 4).await?;
    let normal = callers.run(full, lasts).await?;
    let before = resident()?;
    let during = callers.run(full * TIMES, lasts);
    let (overload, memory) = tokio::join!(during, async {
        sleep(lasts * 3 / 4).await;
        resident()
    });
    let (overload, memory) = (overload?, memory?);
    let after = callers.run(full, lasts).await?;
    let cell = |value: Option<Duration>| value.map_or("-".to_owned(), milliseconds);
    Ok(format!(
        "| {} | {full} | {:.0} | {} | {} | {:.0} | {:.0} % | {} | {} | {:.0} | {} | {} | {before}, {memory}, {} MiB | {} |",
        operation.name(),
        normal.rate(),
        cell(normal.percentile(50)),
        cell(normal.percentile(99)),
        overload.rate(),
        overload.rate() / normal.rate() * 100.0,
        cell(overload.percentile(50)),
        cell(overload.percentile(99)),
        per_second(overload.refused.len(), overload.elapsed),
        cell(percentile(overload.refused.clone(), 99)),
        normal.failed + overload.failed + after.failed,
        resident()?,
        cell(after.back_to_normal(normal.rate())),
    ))
}

impl Callers {
    /// Returns the smallest number in flight with which throughput is about the best.
    async fn full_load(&self, lasts: Duration) -> Outcome<usize> {
        let mut rates = Vec::new();
        for in_flight in IN_FLIGHT {
            rates.push((in_flight, self.run(in_flight, lasts).await?.rate()));
        }
        let best = rates.iter().map(|(_, rate)| *rate).fold(0.0, f64::max);
        let full = rates.iter().find(|(_, rate)| *rate >= best * FULL);
        full.map(|(in_flight, _)| *in_flight)
            .ok_or_else(|| "nothing was measured".into())
    }

    /// Keeps requests in flight for a while. Those that are in flight at the end are given up.
    async fn run(&self, in_flight: usize, lasts: Duration) -> Outcome<Ended> {
        let started = Instant::now();
        let mut callers = JoinSet::new();
        for connection in self.connections.iter().cycle().take(in_flight) {
            let (connection, calls, next) = (connection.clone(), self.calls.clone(), self.next.clone());
            callers.spawn(async move { call_in_turn(connection, calls, next, started, lasts).await });
        }
        let mut all = Ended::default();
        while let Some(ended) = callers.join_next().await {
            let ended = ended??;
            all.succeeded.extend(ended.succeeded);
            all.refused.extend(ended.refused);
            all.failed += ended.failed;
        }
        all.elapsed = started.elapsed();
        Ok(all)
    }
}

async fn call_in_turn(
    mut connection: Connection,
    calls: Calls,
    next: Arc<AtomicU64>,
    started: Instant,
    lasts: Duration,
) -> Outcome<Ended> {
    let mut ended = Ended::default();
    loop {
        let Some(left) = lasts.checked_sub(started.elapsed()) else {
            return Ok(ended);
        };
        let number = next.fetch_add(1, Ordering::Relaxed);
        let call = calls(number).ok_or("there are no more requests")?;
        let sent = Instant::now();
        let Ok(outcome) = tokio::time::timeout(left, connection.send(call)).await else {
            return Ok(ended);
        };
        match outcome {
            Ok(_) => ended.succeeded.push((started.elapsed(), sent.elapsed())),
            Err(error) if is_refusal(&*error) => ended.refused.push(sent.elapsed()),
            Err(_) => ended.failed += 1,
        }
    }
}

fn is_refusal(error: &(dyn std::error::Error + 'static)) -> bool {
    let grpc = error.downcast_ref::<Status>();
    let rest = error.downcast_ref::<reqwest::Error>();
    grpc.is_some_and(|status| status.code() == Code::Unavailable)
        || rest.is_some_and(|error| error.status() == Some(reqwest::StatusCode::SERVICE_UNAVAILABLE))
}

impl Ended {
    fn rate(&self) -> f64 {
        per_second(self.succeeded.len(), self.elapsed)
    }

    fn percentile(&self, percent: usize) -> Option<Duration> {
        percentile(
            self.succeeded.iter().map(|(_, latency)| *latency).collect(),
            percent,
        )
    }

    /// Returns the end of the first window with a normal throughput.
    fn back_to_normal(&self, rate: f64) -> Option<Duration> {
        let windows = self.elapsed.as_millis() / WINDOW.as_millis();
        let mut ends = (1..=u32::try_from(windows).unwrap_or(u32::MAX)).map(|number| WINDOW * number);
        ends.find(|end| {
            let within = |(at, _): &&(Duration, Duration)| at <= end && *at + WINDOW > *end;
            per_second(self.succeeded.iter().filter(within).count(), WINDOW) >= rate * NORMAL
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "it is rounded in the table")]
fn per_second(count: usize, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}

fn percentile(mut times: Vec<Duration>, percent: usize) -> Option<Duration> {
    times.sort_unstable();
    times
        .get((times.len() * percent).div_ceil(100).saturating_sub(1))
        .copied()
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1_000.0)
}
