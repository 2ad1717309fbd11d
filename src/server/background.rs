//! The tasks beside the transports.

use futures_util::FutureExt as _;
use tokio::{net::TcpListener, task::JoinSet};

use super::{
    listener::Listener,
    metrics,
    purge::purge,
    readiness::{Readiness, keep_ready},
};
use crate::{
    auth::{IssuerKeys, KeyKeeper},
    limits::RateLimiter,
    store::{Cutoff, Store, Watch},
    supervise::{Task, supervised},
    tls::ListenerTls,
};

/// The parts of a server that tasks beside the transports keep up to date.
#[derive(Debug)]
pub(super) struct Upkeep {
    pub(super) store: Store,
    pub(super) cutoffs: Vec<Cutoff>,
    pub(super) watch: Option<Watch>,
    pub(super) keys: IssuerKeys,
    pub(super) keeper: Option<KeyKeeper>,
    pub(super) readiness: Readiness,
    pub(super) limiter: RateLimiter,
    pub(super) tls: Option<ListenerTls>,
    pub(super) metrics: Option<TcpListener>,
}

/// The running tasks. They end when this is dropped.
#[derive(Debug)]
pub(super) struct Background {
    /// Ends before the others, so that a draining server does not become ready again.
    probe: JoinSet<()>,
    upkeep: JoinSet<()>,
}

impl Upkeep {
    pub(super) fn start(self) -> Background {
        let mut probe = JoinSet::new();
        let probed = (self.store.clone(), self.keys, self.readiness);
        probe.spawn(supervised(Task::Readiness, probed, |(store, keys, readiness)| {
            keep_ready(store, keys, readiness).boxed()
        }));
        let mut upkeep = JoinSet::new();
        upkeep.spawn(supervised(Task::Feed, self.store.clone(), |store| {
            store.run_feed().boxed()
        }));
        let purged = (self.store, self.cutoffs);
        upkeep.spawn(supervised(Task::Purge, purged, |(store, cutoffs)| {
            purge(store, cutoffs).boxed()
        }));
        upkeep.spawn(supervised(Task::LimiterPurge, self.limiter, |limiter| {
            limiter.purge_full().boxed()
        }));
        if let Some(watch) = self.watch {
            upkeep.spawn(supervised(Task::MemoryWatch, watch, |watch| watch.run().boxed()));
        }
        if let Some(keeper) = self.keeper {
            upkeep.spawn(supervised(Task::IssuerKeys, keeper, |keeper| {
                keeper.run().boxed()
            }));
        }
        if let Some(tls) = self.tls {
            upkeep.spawn(supervised(Task::TlsReload, tls, |tls| tls.reload().boxed()));
        }
        if let Some(tcp) = self.metrics {
            let listener = Listener::new(tcp, None);
            upkeep.spawn(supervised(Task::Metrics, listener, |listener| {
                metrics::serve(listener).boxed()
            }));
        }
        Background { probe, upkeep }
    }
}

impl Background {
    pub(super) async fn stop_probing(&mut self) {
        self.probe.shutdown().await;
    }

    pub(super) async fn stop(mut self) {
        self.upkeep.shutdown().await;
    }
}
