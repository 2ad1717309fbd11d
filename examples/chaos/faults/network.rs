//! A network that fails, and one that leads to another PostgreSQL.

use tokio::time::sleep;

use super::Case;
use crate::{
    network::Network,
    processes::Postgres,
    stage::{Bench, DATABASE, Setup},
    support::Outcome,
    verdict::{Row, Rules},
};

/// Lets nothing through between the server and PostgreSQL, without closing a connection.
pub(crate) async fn black_hole(bench: &mut Bench, case: Case) -> Outcome<Row> {
    let postgres = bench.postgres.addr;
    let network = Network::to(postgres).await?;
    bench.empty_database().await?;
    let setup = Setup {
        postgres_url: Some(Postgres::url(DATABASE, network.addr)),
        ..Setup::default()
    };
    let mut stage = bench.stage(setup).await?;
    let observed = stage
        .observe(async |stage| {
            network.swallow();
            sleep(stage.plan.fault).await;
            network.lead_to(postgres);
            Ok(())
        })
        .await?;
    Ok(Row::of(
        case,
        &observed,
        Rules::OUTAGE,
        stage.plan,
        "",
        Vec::new(),
    ))
}

/// Kills a PostgreSQL, and promotes its synchronous standby.
pub(crate) async fn failover(bench: &mut Bench, case: Case) -> Outcome<Row> {
    let durability = bench.plan.durability();
    let mut primary = Postgres::start(&bench.new_path("primary"), durability).await?;
    let standby = primary.synchronous_standby(&bench.new_path("standby")).await?;
    let network = Network::to(primary.addr).await?;
    let setup = Setup {
        postgres_url: Some(Postgres::url("postgres", network.addr)),
        ..Setup::default()
    };
    let mut stage = bench.stage(setup).await?;
    let observed = stage
        .observe(async |_| {
            primary.kill().await?;
            standby.promote().await?;
            network.lead_to(standby.addr);
            Ok(())
        })
        .await?;
    Ok(Row::of(
        case,
        &observed,
        Rules::OUTAGE,
        stage.plan,
        "",
        Vec::new(),
    ))
}
