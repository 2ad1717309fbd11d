//! Those who send requests: the other tenant, whose requests are judged, and attackers.

mod attack;
mod caller;
mod readers;
mod readiness;
mod writers;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

pub(crate) use self::{
    attack::{Attack, Tally},
    caller::{Caller, Failed, code, patiently, web_client},
    readers::read,
    readiness::watch_readiness,
    writers::write,
};

/// The kind of a request of the other tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Read,
    Write,
    /// A probe of readiness on a new connection. It fails if the server is not ready.
    Ready,
}

/// A request of the other tenant.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) kind: Kind,
    /// The index of the server.
    pub(crate) server: usize,
    /// The time at which it was due.
    pub(crate) at: Instant,
    pub(crate) took: Duration,
    pub(crate) outcome: Result<(), Failed>,
}

/// Set when the traffic of the other tenant ends.
pub(crate) type Over = Arc<AtomicBool>;

/// A client of the other tenant.
#[derive(Debug)]
pub(crate) struct Tracked {
    pub(crate) id: String,
    pub(crate) secret: String,
    /// The number in its name according to the last change that was acknowledged.
    pub(crate) acknowledged: AtomicU64,
}

impl Tracked {
    /// Returns the name with a number.
    pub(crate) fn name(number: u64) -> String {
        format!("Client in state {number}")
    }

    /// Returns `true` if a name is older than a change that was acknowledged before.
    pub(crate) fn is_stale(name: &str, acknowledged: u64) -> bool {
        let number = name.rsplit(' ').next().and_then(|number| number.parse().ok());
        number.is_none_or(|number: u64| number < acknowledged)
    }

    pub(crate) fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::SeqCst)
    }
}
