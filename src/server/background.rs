//! The tasks beside the transports.

use tokio::task::JoinSet;

use super::{
    purge::purge_assertions,
    readiness::{Readiness, keep_ready},
};
use crate::{
    auth::{IssuerKeys, KeyKeeper},
    limits::RateLimiter,
    store::{Store, Watch},
    tls::ListenerTls,
};

/// The parts of a server that tasks beside the transports keep up to date.
#[derive(Debug)]
pub(super) struct Upkeep {
    pub(super) store: Store,
    pub(super) watch: Option<Watch>,
    pub(super) keys: IssuerKeys,
    pub(super) keeper: Option<KeyKeeper>,
    pub(super) readiness: Readiness,
    pub(super) limiter: RateLimiter,
    pub(super) tls: Option<ListenerTls>,
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
        probe.spawn(keep_ready(self.store.clone(), self.keys, self.readiness));
        let mut upkeep = JoinSet::new();
        upkeep.spawn(self.store.clone().run_feed());
        upkeep.spawn(purge_assertions(self.store));
        upkeep.spawn(self.limiter.purge_full());
        if let Some(watch) = self.watch {
            upkeep.spawn(watch.run());
        }
        if let Some(keeper) = self.keeper {
            upkeep.spawn(keeper.run());
        }
        if let Some(tls) = self.tls {
            upkeep.spawn(tls.reload());
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
