//! A PostgreSQL that dies, restarts or hangs.

use rustix::process::Signal;
use tokio::time::sleep;

use super::Case;
use crate::{
    processes::signal,
    stage::{Bench, Stage},
    support::Outcome,
    verdict::{Row, Rules},
};

/// Kills a backend: PostgreSQL ends all others and recovers.
pub(crate) async fn backend_killed(bench: &mut Bench, case: Case) -> Outcome<Row> {
    let mut stage = start(bench, case).await?;
    let observed = stage
        .observe(async |stage| signal(backend(stage).await?, Signal::KILL))
        .await?;
    Ok(outage(case, &stage, &observed))
}

/// Kills PostgreSQL, and starts it after a while.
pub(crate) async fn killed(bench: &mut Bench, case: Case) -> Outcome<Row> {
    let mut stage = start(bench, case).await?;
    let postgres = &mut bench.postgres;
    let observed = stage
        .observe(async |stage| {
            postgres.kill().await?;
            sleep(stage.plan.fault / 2).await;
            postgres.start_again().await
        })
        .await?;
    Ok(outage(case, &stage, &observed))
}

/// Restarts PostgreSQL, as an administrator does.
pub(crate) async fn restarted(bench: &mut Bench, case: Case) -> Outcome<Row> {
    let mut stage = start(bench, case).await?;
    let postgres = &mut bench.postgres;
    let observed = stage.observe(async |_| postgres.restart().await).await?;
    Ok(outage(case, &stage, &observed))
}

/// Freezes PostgreSQL with all its processes.
pub(crate) async fn frozen(bench: &mut Bench, case: Case) -> Outcome<Row> {
    let mut stage = start(bench, case).await?;
    let postgres = &bench.postgres;
    let observed = stage
        .observe(async |stage| {
            postgres.signal_all(Signal::STOP)?;
            sleep(stage.plan.fault).await;
            postgres.signal_all(Signal::CONT)
        })
        .await?;
    Ok(outage(case, &stage, &observed))
}

/// Freezes the postmaster, so that there are no new connections.
pub(crate) async fn postmaster_frozen(bench: &mut Bench, case: Case) -> Outcome<Row> {
    let mut stage = start(bench, case).await?;
    let postgres = &bench.postgres;
    let observed = stage
        .observe(async |stage| {
            postgres.signal_postmaster(Signal::STOP)?;
            sleep(stage.plan.fault).await;
            postgres.signal_postmaster(Signal::CONT)
        })
        .await?;
    let rules = Rules::UNHARMED;
    Ok(Row::of(case, &observed, rules, stage.plan, "", Vec::new()))
}

/// Freezes one backend of the server. What waits for it fails, and nothing else.
pub(crate) async fn backend_frozen(bench: &mut Bench, case: Case) -> Outcome<Row> {
    let mut stage = start(bench, case).await?;
    let observed = stage
        .observe(async |stage| {
            let pid = backend(stage).await?;
            signal(pid, Signal::STOP)?;
            sleep(stage.plan.fault).await;
            signal(pid, Signal::CONT)
        })
        .await?;
    Ok(outage(case, &stage, &observed))
}

async fn start(bench: &mut Bench, case: Case) -> Outcome<Stage> {
    let setup = bench.setup(case.1).await?;
    bench.stage(setup).await
}

/// Returns the process of a connection of the server, of those that it used last.
async fn backend(stage: &Stage) -> Outcome<u32> {
    let pid = "SELECT pid::bigint FROM pg_stat_activity \
               WHERE datname = current_database() AND pid <> pg_backend_pid() \
               ORDER BY state_change DESC LIMIT 1";
    Ok(u32::try_from(stage.sql().await?.number(pid).await?)?)
}

fn outage<T>(case: Case, stage: &Stage, observed: &crate::observe::Observed<T>) -> Row {
    Row::of(case, observed, Rules::OUTAGE, stage.plan, "", Vec::new())
}
