//! A row that somebody holds locked.

use std::time::Duration;

use sea_orm::{ConnectionTrait as _, TransactionTrait as _};
use tokio::time::sleep;

use super::{Case, figures};
use crate::{
    stage::{Bench, CROWD},
    support::Outcome,
    traffic::{Attack, Caller, web_client},
    verdict::{Row, Rules},
};

const PATCHES: usize = 20;
/// As long as a change waits for a lock.
const LONG: Duration = Duration::from_secs(3);

/// Locks a client of the crowd, and keeps 20 patches of it in flight.
pub(crate) async fn locked(bench: &mut Bench, case: Case) -> Outcome<Row> {
    let setup = bench.setup(case.1).await?;
    let mut stage = bench.stage(setup).await?;
    let server = stage.servers.first().ok_or("no server")?;
    let client = Caller::of(server, CROWD, 1)?
        .create(web_client("Locked".to_owned()))
        .await?;
    let id = client.client_id;
    let observed = stage
        .observe(async |stage| {
            let sql = stage.sql().await?;
            let transaction = sql.0.begin().await?;
            let lock = format!("SELECT 1 FROM oauth_clients WHERE client_id = '{id}' FOR UPDATE");
            transaction.execute_unprepared(&lock).await?;
            let id = id.clone();
            let attack = Attack::start(&stage.attackers(1)?, PATCHES, move |caller, number| {
                let id = id.clone();
                async move { caller.rename(&id, format!("Locked {number}")).await }
            });
            sleep(stage.plan.fault.max(LONG)).await;
            transaction.rollback().await?;
            Ok(attack.stop().await)
        })
        .await?;
    let figures = figures(&observed.value);
    Ok(Row::of(
        case,
        &observed,
        Rules::UNHARMED,
        stage.plan,
        &figures,
        Vec::new(),
    ))
}
