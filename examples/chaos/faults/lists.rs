//! Lists that cost as much as a filter allows.

use oauth_clients::pb::v1::ListOAuthClientsRequest;

use super::{Case, figures};
use crate::{
    stage::{Bench, CROWD, Stage},
    support::Outcome,
    traffic::{Attack, Caller, Failed, patiently, web_client},
    verdict::{Row, Rules},
};

/// The most comparisons of a filter.
const COMPARISONS: usize = 256;
/// The number of requests in flight per connection.
const PER_CONNECTION: usize = 50;

/// Sends the worst filters within one quota of 1,000 reads a minute.
pub(crate) async fn worst(bench: &mut Bench, case: Case) -> Outcome<Row> {
    let mut setup = bench.setup(case.1).await?;
    setup.args = ["--tier1-per-minute=1000", "--tier2-per-minute=0"]
        .map(str::to_owned)
        .into();
    let stage = bench.stage(setup).await?;
    let in_flight = stage.plan.size(16, 64);
    attack(stage, case, in_flight).await
}

/// Keeps many lists in flight, without a quota.
pub(crate) async fn many(bench: &mut Bench, case: Case) -> Outcome<Row> {
    let setup = bench.setup(case.1).await?;
    let stage = bench.stage(setup).await?;
    let in_flight = stage.plan.size(200, 1_000);
    attack(stage, case, in_flight).await
}

async fn attack(mut stage: Stage, case: Case, in_flight: usize) -> Outcome<Row> {
    let count = stage.plan.size(5_000, 100_000);
    fill(&stage, count).await?;
    let filter = filter();
    let observed = stage
        .observe(async |stage| {
            let callers = stage.attackers(in_flight.div_ceil(PER_CONNECTION))?;
            let attack = Attack::start(&callers, in_flight, move |caller, number| {
                list(caller, number, filter.clone())
            });
            tokio::time::sleep(stage.plan.fault).await;
            Ok(attack.stop().await)
        })
        .await?;
    let figures = format!(
        "{in_flight} in flight over {count} clients; {}",
        figures(&observed.value)
    );
    Ok(Row::of(
        case,
        &observed,
        Rules::UNHARMED,
        stage.plan,
        &figures,
        Vec::new(),
    ))
}

async fn fill(stage: &Stage, count: usize) -> Outcome<()> {
    let server = stage.servers.first().ok_or("no server")?;
    let model = Caller::of(server, CROWD, 1)?
        .create(web_client("One of a crowd".to_owned()))
        .await?;
    stage.crowd(count, &model.client_id).await
}

async fn list(caller: Caller, number: u64, filter: String) -> Result<(), Failed> {
    let message = ListOAuthClientsRequest {
        filter: Some(filter),
        limit: Some(100),
        total_results: true,
        ..ListOAuthClientsRequest::default()
    };
    let mut clients = caller.clients.clone();
    patiently(clients.list_o_auth_clients(caller.request(number, message))).await?;
    Ok(())
}

/// Returns a filter that compares each name with everything and matches nothing.
fn filter() -> String {
    let comparisons = (0..COMPARISONS).map(|number| format!("clientName co \"zz{number}\""));
    comparisons.collect::<Vec<_>>().join(" or ")
}
