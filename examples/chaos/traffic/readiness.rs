//! Probes of readiness.

use std::{sync::atomic::Ordering, time::Duration};

use reqwest::{Client, StatusCode};
use tokio::{
    sync::mpsc::UnboundedSender,
    time::{Instant, sleep},
};

use super::{Kind, Over, Sample, code};
use crate::support::Outcome;

const INTERVAL: Duration = Duration::from_millis(100);

/// Asks a server for its readiness again and again, each time on a new connection, as Kubernetes does.
pub(crate) async fn watch_readiness(
    url: String,
    server: usize,
    timeout: Duration,
    over: Over,
    samples: UnboundedSender<Sample>,
) -> Outcome<()> {
    let client = Client::builder()
        .no_proxy()
        .pool_max_idle_per_host(0)
        .timeout(timeout)
        .build()?;
    while !over.load(Ordering::Relaxed) {
        let at = Instant::now();
        let response = client.get(&url).send().await;
        let ready = response.is_ok_and(|response| response.status() == StatusCode::OK);
        let sample = Sample {
            kind: Kind::Ready,
            server,
            at: at.into(),
            took: at.elapsed(),
            outcome: if ready { Ok(()) } else { Err(code::NOT_READY) },
        };
        // The stage may be over.
        let _sent = samples.send(sample);
        sleep(INTERVAL).await;
    }
    Ok(())
}
