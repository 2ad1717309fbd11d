//! More requests than a server can handle.

use std::time::Duration;

use tokio::time::sleep;

use super::{Case, figures};
use crate::{
    observe::percentile,
    stage::{Bench, OTHER, Stage},
    support::Outcome,
    traffic::{Attack, Caller, Tally, code},
    verdict::{Row, Rules, milliseconds},
};

/// The number of requests in flight per connection.
const PER_CONNECTION: usize = 50;
/// The numbers in flight of which the first is full load whose successor brings no more responses.
const STEPS: [usize; 6] = [4, 8, 16, 32, 64, 128];
/// The growth of the throughput with twice the requests in flight below which it counts as grown out.
const GROWTH: f64 = 1.05;
/// The share of the throughput of full load that is left with ten times its requests, in a whole run and in a short one, in
/// which both are measured for a moment only.
const GOODPUT: f64 = 0.9;
const SHORT_GOODPUT: f64 = 0.5;
/// The longest additional wait of an accepted request: the default queue time, and an allowance for a busy machine.
const LONGER: Duration = Duration::from_millis(500 + 250);
/// The memory that a server may take for ten times its full load, in MiB.
const MEMORY_MIB: u64 = 64;

/// The loads of an overload.
struct Loads {
    in_flight: usize,
    full: Tally,
    tenfold: Tally,
    grown_mib: u64,
}

/// Keeps many gets in flight: a server that is busy is ready all the same.
pub(crate) async fn requests_in_flight(bench: &mut Bench, case: Case) -> Outcome<Row> {
    let setup = bench.setup(case.1).await?;
    let mut stage = bench.stage(setup).await?;
    let in_flight = stage.plan.size(1_000, 10_000);
    let observed = stage
        .observe(async |stage| load(stage, in_flight, stage.plan.fault).await)
        .await?;
    let figures = format!("{in_flight} in flight; {}", figures(&observed.value));
    Ok(Row::of(case, &observed, shed(), stage.plan, &figures, Vec::new()))
}

/// Looks for the full load, and keeps ten times as many gets in flight.
pub(crate) async fn tenfold(bench: &mut Bench, case: Case) -> Outcome<Row> {
    let setup = bench.setup(case.1).await?;
    let mut stage = bench.stage(setup).await?;
    let observed = stage.observe(async |stage| loads(stage).await).await?;
    let Loads {
        in_flight,
        full,
        tenfold,
        grown_mib,
    } = &observed.value;
    let [full_p99, p99] = [full, tenfold].map(|tally| percentile(&tally.succeeded, 990));
    let goodput = tenfold.rate() / full.rate();

    let mut broken = Vec::new();
    let is_short = stage.plan.is_short;
    if goodput < if is_short { SHORT_GOODPUT } else { GOODPUT } {
        broken.push("goodput".to_owned());
    }
    if p99 > full_p99 + LONGER {
        broken.push("accepted requests wait too long".to_owned());
    }
    if *grown_mib > MEMORY_MIB {
        broken.push("memory".to_owned());
    }
    let figures = format!(
        "{in_flight} in flight: {:.0}/s, p99 {}; ten times: {:.0}/s ({:.0} %), p99 {}, {} shed or failed, memory +{grown_mib} MiB",
        full.rate(),
        milliseconds(full_p99),
        tenfold.rate(),
        goodput * 100.0,
        milliseconds(p99),
        tenfold.failed.values().sum::<usize>(),
    );
    Ok(Row::of(case, &observed, shed(), stage.plan, &figures, broken))
}

/// Requests beyond the limit may be shed, those of others among them.
fn shed() -> Rules {
    Rules {
        reads: &[code::UNAVAILABLE],
        writes: &[code::UNAVAILABLE],
        may_be_slow: true,
        ..Rules::UNHARMED
    }
}

async fn loads(stage: &Stage) -> Outcome<Loads> {
    let each = stage.plan.fault / 8;
    let (mut in_flight, mut rate) = (0, 0.0);
    for step in STEPS {
        let reached = load(stage, step, each).await?.rate();
        if reached < rate * GROWTH {
            break;
        }
        (in_flight, rate) = (step, reached);
    }
    let full = load(stage, in_flight, stage.plan.fault / 2).await?;
    let before = stage.memory_mib()?;
    let attack = start(stage, in_flight * 10)?;
    sleep(stage.plan.fault).await;
    let grown_mib = stage.memory_mib()?.saturating_sub(before);
    Ok(Loads {
        in_flight,
        full,
        tenfold: attack.stop().await,
        grown_mib,
    })
}

async fn load(stage: &Stage, in_flight: usize, lasts: Duration) -> Outcome<Tally> {
    let attack = start(stage, in_flight)?;
    sleep(lasts).await;
    Ok(attack.stop().await)
}

/// Starts gets of the clients that memory holds.
fn start(stage: &Stage, in_flight: usize) -> Outcome<Attack> {
    let server = stage.servers.first().ok_or("no server")?;
    let callers = (0..in_flight.div_ceil(PER_CONNECTION)).map(|_| Caller::of(server, OTHER, 1));
    let callers: Vec<Caller> = callers.collect::<Outcome<_>>()?;
    let clients = stage.clients.clone();
    Ok(Attack::start(&callers, in_flight, move |caller, number| {
        let place = usize::try_from(number).unwrap_or(0) % clients.len();
        let id = clients
            .get(place)
            .map(|client| client.id.clone())
            .unwrap_or_default();
        async move { caller.get(0, &id).await.map(drop) }
    }))
}
