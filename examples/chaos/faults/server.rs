//! A server that dies, and one that hangs.

use std::time::Duration;

use rustix::process::Signal;
use tokio::time::{Instant, sleep};

use super::Case;
use crate::{
    stage::{Bench, Setup},
    support::Outcome,
    traffic::code,
    verdict::{Row, Rules, seconds},
};

/// Kills the server under load, again and again, and starts it each time.
pub(crate) async fn killed(bench: &mut Bench, case: Case) -> Outcome<Row> {
    let setup = bench.setup(case.1).await?;
    let mut stage = bench.stage(setup).await?;
    let kills = stage.plan.size(2, 10);
    let observed = stage
        .observe(async |stage| {
            let pause = stage.plan.fault / u32::try_from(kills)?;
            let mut longest = Duration::ZERO;
            for _ in 0..kills {
                sleep(pause).await;
                let killed = Instant::now();
                stage.server()?.kill().await?;
                stage.server()?.restart().await?;
                longest = longest.max(killed.elapsed());
            }
            Ok(longest)
        })
        .await?;
    let rules = Rules {
        reads: &[code::NO_CONNECTION],
        writes: &[code::NO_CONNECTION],
        ..Rules::OUTAGE
    };
    let figures = format!(
        "{kills} kills, listens again after {} at most",
        seconds(observed.value)
    );
    Ok(Row::of(case, &observed, rules, stage.plan, &figures, Vec::new()))
}

/// Freezes one of two servers. The other one must not notice, and the first must not respond from an old memory.
pub(crate) async fn frozen(bench: &mut Bench, case: Case) -> Outcome<Row> {
    let setup = Setup {
        replicas: 2,
        ..bench.setup(case.1).await?
    };
    let mut stage = bench.stage(setup).await?;
    let observed = stage
        .observe(async |stage| {
            stage.server()?.signal(Signal::STOP)?;
            sleep(stage.plan.fault).await;
            stage.server()?.signal(Signal::CONT)
        })
        .await?;
    let rules = Rules {
        server: Some(1),
        ..Rules::UNHARMED
    };
    let figures = "of the other server";
    Ok(Row::of(case, &observed, rules, stage.plan, figures, Vec::new()))
}
