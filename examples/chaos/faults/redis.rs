//! A Redis that is unavailable: the server limits by itself.

use rustix::process::Signal;
use tokio::time::sleep;

use super::Case;
use crate::{
    processes::Redis,
    stage::{Bench, Setup, Stage},
    support::Outcome,
    verdict::{Row, Rules},
};

const NOT_INSTALLED: &str = "redis-server is not installed";

pub(crate) async fn killed(bench: &mut Bench, case: Case) -> Outcome<Row> {
    let Some((mut redis, mut stage)) = start(bench).await? else {
        return Ok(Row::left_out(case, NOT_INSTALLED));
    };
    let dir = bench.dir.clone();
    let observed = stage
        .observe(async |stage| {
            redis.kill().await?;
            sleep(stage.plan.fault).await;
            redis.restart(&dir).await
        })
        .await?;
    Ok(Row::of(case, &observed, rules(), stage.plan, "", Vec::new()))
}

pub(crate) async fn frozen(bench: &mut Bench, case: Case) -> Outcome<Row> {
    let Some((redis, mut stage)) = start(bench).await? else {
        return Ok(Row::left_out(case, NOT_INSTALLED));
    };
    let observed = stage
        .observe(async |stage| {
            redis.signal(Signal::STOP)?;
            sleep(stage.plan.fault).await;
            redis.signal(Signal::CONT)
        })
        .await?;
    Ok(Row::of(case, &observed, rules(), stage.plan, "", Vec::new()))
}

/// Requests wait for Redis once an outage, so some may be slow.
fn rules() -> Rules {
    Rules {
        may_be_slow: true,
        ..Rules::UNHARMED
    }
}

async fn start(bench: &mut Bench) -> Outcome<Option<(Redis, Stage)>> {
    let Some(redis) = Redis::start(&bench.dir).await? else {
        return Ok(None);
    };
    // Quotas that are counted and never used up.
    let args = [
        "--tier1-per-minute=1000000".to_owned(),
        "--tier2-per-minute=1000000".to_owned(),
        format!("--redis-url=redis://{}", redis.addr),
    ];
    let setup = Setup {
        args: args.into(),
        ..Setup::default()
    };
    let stage = bench.stage(setup).await?;
    Ok(Some((redis, stage)))
}
