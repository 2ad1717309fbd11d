//! The reads of the other tenant: gets on both transports, and authentications.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::{
    sync::mpsc::UnboundedSender,
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval},
};

use super::{Caller, Failed, Kind, Over, Sample, Tracked, code};

/// Sends reads to the servers in turn, on a schedule, whether others are finished or not. At the end it waits for their
/// responses.
pub(crate) async fn read(
    callers: Vec<Caller>,
    clients: Arc<[Tracked]>,
    every: Duration,
    over: Over,
    samples: UnboundedSender<Sample>,
) {
    let mut schedule = interval(every);
    schedule.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut reads = JoinSet::new();
    for number in 0_u64.. {
        if over.load(Ordering::Relaxed) {
            break;
        }
        let due = schedule.tick().await;
        while reads.try_join_next().is_some() {}
        let server = place(number, callers.len());
        let Some(caller) = callers.get(server).cloned() else {
            return;
        };
        let (clients, samples) = (clients.clone(), samples.clone());
        reads.spawn(async move {
            let outcome = read_one(&caller, &clients, number).await;
            // The stage may be over.
            let _sent = samples.send(Sample {
                kind: Kind::Read,
                server,
                at: due.into(),
                took: Instant::now() - due,
                outcome,
            });
        });
    }
    while reads.join_next().await.is_some() {}
}

async fn read_one(caller: &Caller, clients: &[Tracked], number: u64) -> Result<(), Failed> {
    // Each client is read in each way on each server, as long as these numbers have no common factor.
    let client = clients.get(place(number, clients.len())).ok_or("no client")?;
    let acknowledged = client.acknowledged();
    let name = match number / 2 % 3 {
        0 => return caller.authenticate(number, &client.id, &client.secret).await,
        1 => caller.get(number, &client.id).await?,
        _ => caller.rest_get(number, &client.id).await?,
    };
    if Tracked::is_stale(&name, acknowledged) {
        return Err(code::STALE);
    }
    Ok(())
}

fn place(number: u64, length: usize) -> usize {
    usize::try_from(number).unwrap_or(0) % length.max(1)
}
