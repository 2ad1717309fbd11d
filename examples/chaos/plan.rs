//! The durations and sizes of the faults.

use std::time::Duration;

use crate::processes::Durability;

/// The measures of a run: of the whole one, or of a short one that only checks that the rules hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) is_short: bool,
    /// The time in which connections are opened and memory is filled.
    pub(crate) warm_up: Duration,
    /// The time before a fault, with which the time of the fault is compared.
    pub(crate) quiet: Duration,
    /// The duration of a fault.
    pub(crate) fault: Duration,
    /// The time without a failure after which a registry counts as recovered.
    pub(crate) calm: Duration,
    /// The time after the end of a fault within which the last call may fail.
    pub(crate) recovery: Duration,
    /// The interval at which the other tenant starts a read.
    pub(crate) read_every: Duration,
    /// The time after which a probe of readiness fails.
    pub(crate) probe_timeout: Duration,
}

impl Plan {
    pub(crate) const WHOLE: Self = Self {
        is_short: false,
        warm_up: Duration::from_secs(1),
        quiet: Duration::from_secs(5),
        fault: Duration::from_secs(10),
        calm: Duration::from_secs(2),
        recovery: Duration::from_secs(10),
        read_every: Duration::from_millis(5),
        // The default of Kubernetes.
        probe_timeout: Duration::from_secs(1),
    };
    pub(crate) const SHORT: Self = Self {
        is_short: true,
        warm_up: Duration::from_millis(200),
        quiet: Duration::from_millis(300),
        fault: Duration::from_millis(900),
        calm: Duration::from_millis(300),
        recovery: Duration::from_secs(20),
        read_every: Duration::from_millis(15),
        // A debug build takes its time under load.
        probe_timeout: Duration::from_secs(5),
    };

    /// Returns what the clusters of a run do for durability.
    pub(crate) fn durability(self) -> Durability {
        if self.is_short {
            Durability::NoFsync
        } else {
            Durability::Fsync
        }
    }

    /// Returns one of two sizes.
    pub(crate) fn size(self, short: usize, whole: usize) -> usize {
        if self.is_short { short } else { whole }
    }
}
