//! The servers, their database, and the scheduler.

use std::time::Duration;

use super::{
    CLIENTS, Rule, Seen, Stale,
    clock::{MILLISECOND, MINUTE},
    database::{Database, Transaction, Version},
    random::Random,
    replica::Replica,
};
use crate::store::cache::Fence;

const REPLICAS: usize = 3;

pub(super) fn fence() -> Fence {
    Fence::new(Duration::from_millis(100)).unwrap()
}

/// The state that all servers share, and the checker.
pub(super) struct Shared {
    pub(super) broken: Option<Rule>,
    pub(super) random: Random,
    /// The true time in nanoseconds.
    pub(super) now: u64,
    pub(super) database: Database,
    /// The newest version of each client that was acknowledged.
    pub(super) acknowledged: [Version; CLIENTS],
    /// The transactions that lost their server; `true` if they may still be committed.
    pub(super) orphans: Vec<(Transaction, bool)>,
    pub(super) seen: Seen,
    stale: Option<(usize, Version, Version)>,
}

pub(super) struct World {
    replicas: Vec<Replica>,
    shared: Shared,
    /// The number of steps that follow each other closely.
    burst: u64,
}

impl Shared {
    pub(super) fn breaks(&self, rule: Rule) -> bool {
        self.broken == Some(rule)
    }

    /// Returns the time for which a change waits.
    pub(super) fn wait(&self, changed: bool) -> Duration {
        match self.broken {
            Some(Rule::ChangesWait) => Duration::ZERO,
            Some(Rule::UnchangedClientsWaitToo) if !changed => Duration::ZERO,
            Some(Rule::MarginForDrift) => fence().duration(),
            _ => fence().wait(),
        }
    }

    pub(super) fn acknowledge(&mut self, client: usize, version: Version) {
        self.seen.acknowledged += 1;
        self.acknowledged[client] = self.acknowledged[client].max(version);
    }

    pub(super) fn stale(&mut self, client: usize, found: Version, acknowledged: Version) {
        self.stale = Some((client, found, acknowledged));
    }

    /// Ends a transaction that lost its server.
    fn end_orphan(&mut self) {
        if self.orphans.is_empty() {
            return;
        }
        let index = self.random.index(self.orphans.len());
        let (transaction, may_commit) = self.orphans.swap_remove(index);
        let _lost = if may_commit && self.random.once_in(2) {
            self.database.commit(&transaction, self.now)
        } else {
            self.database.roll_back(&transaction)
        };
    }
}

impl World {
    pub(super) fn new(seed: u64, broken: Option<Rule>) -> Self {
        let mut random = Random::new(seed);
        Self {
            replicas: (0..REPLICAS).map(|_| Replica::new(&mut random)).collect(),
            shared: Shared {
                broken,
                random,
                now: MINUTE,
                database: Database::new(),
                acknowledged: [Version::default(); CLIENTS],
                orphans: Vec::new(),
                seen: Seen::default(),
                stale: None,
            },
            burst: 0,
        }
    }

    /// Runs a number of steps, or until a read is stale.
    pub(super) fn run(mut self, steps: u64, seen: &mut Seen) -> Option<Stale> {
        std::mem::swap(&mut self.shared.seen, seen);
        let stale = (0..steps).find_map(|step| self.step(step));
        std::mem::swap(&mut self.shared.seen, seen);
        stale
    }

    fn step(&mut self, step: u64) -> Option<Stale> {
        self.pass_time();
        self.disturb();
        let shared = &mut self.shared;
        let replica = shared.random.index(REPLICAS);
        self.replicas[replica].step(shared);
        let (client, found, acknowledged) = shared.stale.take()?;
        Some(Stale {
            step,
            replica,
            client,
            found: found.0,
            acknowledged: acknowledged.0,
        })
    }

    /// Lets time pass: little during a burst, and otherwise milliseconds, or until something is about to happen.
    fn pass_time(&mut self) {
        let shared = &mut self.shared;
        if let Some(left) = self.burst.checked_sub(1) {
            self.burst = left;
            shared.now += shared.random.below(4_000);
            return;
        }
        match shared.random.below(20) {
            0..4 => self.burst = shared.random.below(100),
            4..6 => {
                let index = shared.random.index(REPLICAS);
                if let Some(time) = self.replicas[index].next_timer(shared) {
                    shared.now = shared.now.max(time);
                    self.burst = 60;
                }
            }
            6 => shared.now += shared.random.below(60 * MILLISECOND),
            _ => shared.now += shared.random.below(2 * MILLISECOND),
        }
    }

    /// Makes something happen that is rare.
    fn disturb(&mut self) {
        let shared = &mut self.shared;
        let index = shared.random.index(REPLICAS);
        let replica = &mut self.replicas[index];
        match shared.random.below(6_000) {
            0..2 => {
                shared.seen.pauses += 1;
                replica.stop(shared.random.below(1_000 * MILLISECOND), shared.now);
            }
            2..5 => {
                shared.seen.pauses += 1;
                replica.suspend(shared.random.below(400 * MILLISECOND), shared.now);
            }
            5 => replica.crash(shared),
            6..9 => {
                shared.seen.crashes += 1;
                shared.database.crash();
            }
            9..12 => self.fail_over(),
            20..60 => shared.database.catch_up(),
            60..100 => {
                let count = shared.random.below(4);
                shared.database.waste(count);
            }
            100..400 => shared.end_orphan(),
            400..430 => shared.database.purge(shared.now),
            1_000..1_100 => self.let_hours_pass(),
            _ => {}
        }
    }

    /// Promotes the standby. A proxy may lead a session there without a trace.
    fn fail_over(&mut self) {
        let shared = &mut self.shared;
        shared.seen.failovers += 1;
        shared.database.fail_over();
        for replica in &mut self.replicas {
            if shared.random.once_in(2)
                && let Some(session) = &mut replica.looker.session
            {
                *session = shared.database.incarnation;
            }
        }
    }

    /// Lets nothing happen for a long time; often, if gaps are of interest.
    fn let_hours_pass(&mut self) {
        let shared = &mut self.shared;
        let is_of_interest = matches!(shared.broken, Some(Rule::NoGap | Rule::GapToTheReceipt));
        if is_of_interest || shared.random.once_in(40) {
            shared.seen.long_gaps += 1;
            shared.now += shared.random.below(50 * MINUTE);
            shared.database.purge(shared.now);
        }
    }
}
