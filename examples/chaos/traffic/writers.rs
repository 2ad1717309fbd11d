//! The changes of the other tenant, and what was acknowledged of them.

use std::{sync::Arc, sync::atomic::Ordering, time::Duration};

use tokio::{
    sync::mpsc::UnboundedSender,
    time::{Instant, sleep},
};

use super::{Caller, Kind, Over, Sample, Tracked, web_client};

/// The time between two changes, so that they are no load by themselves.
const PAUSE: Duration = Duration::from_millis(20);

/// Renames a client and creates another one in turn. The ids of those that were created go to `created`.
pub(crate) async fn write(
    (caller, server): (Caller, usize),
    clients: Arc<[Tracked]>,
    which: usize,
    over: Over,
    samples: UnboundedSender<Sample>,
    created: UnboundedSender<String>,
) {
    let Some(client) = clients.get(which) else { return };
    let record = |at: Instant, outcome| {
        // The stage may be over.
        let _sent = samples.send(Sample {
            kind: Kind::Write,
            server,
            at: at.into(),
            took: at.elapsed(),
            outcome,
        });
    };
    for number in 1.. {
        if over.load(Ordering::Relaxed) {
            break;
        }
        let at = Instant::now();
        let outcome = caller.rename(&client.id, Tracked::name(number)).await;
        if outcome.is_ok() {
            client.acknowledged.store(number, Ordering::SeqCst);
        }
        record(at, outcome);
        sleep(PAUSE).await;

        let at = Instant::now();
        let outcome = caller.create(web_client(Tracked::name(0))).await;
        let outcome = outcome.map(|client| {
            // The stage may be over.
            let _sent = created.send(client.client_id);
        });
        record(at, outcome);
        sleep(PAUSE).await;
    }
}
