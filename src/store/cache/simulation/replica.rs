//! A simulated server.

use uuid::Uuid;

use super::{
    super::{
        entries::Entries,
        freshness::{Freshness, Instant},
    },
    change::Changer,
    clock::Clock,
    database::Version,
    look::Looker,
    random::Random,
    read::Reader,
    world::{Shared, fence},
};
use crate::domain::ids::ClientId;

const READERS: usize = 3;
const CHANGERS: usize = 2;

pub(super) fn client_id(index: usize) -> ClientId {
    ClientId::from_uuid(Uuid::from_u128(index as u128))
}

/// The memory of a server, and what its reads and its looks tell one another.
pub(super) struct Memory {
    pub(super) entries: Entries<Version>,
    pub(super) freshness: Freshness,
    pub(super) wanted: bool,
    pub(super) fails: bool,
    /// The number of looks that have ended.
    pub(super) finished: u64,
}

impl Memory {
    pub(super) fn new() -> Self {
        Self {
            entries: Entries::new(1 << 20),
            freshness: Freshness::new(fence().duration()),
            wanted: false,
            fails: false,
            finished: 0,
        }
    }

    pub(super) fn publish(&mut self, began: Instant) {
        self.freshness.publish(began);
        self.fails = false;
        self.finished += 1;
    }

    pub(super) fn fail(&mut self) {
        self.fails = true;
        self.finished += 1;
    }
}

pub(super) struct Replica {
    memory: Memory,
    pub(super) looker: Looker,
    readers: [Reader; READERS],
    changers: [Changer; CHANGERS],
    clock: Clock,
    /// The time until which the process is stopped.
    stopped: u64,
}

impl Replica {
    pub(super) fn new(random: &mut Random) -> Self {
        Self {
            memory: Memory::new(),
            looker: Looker::new(),
            readers: std::array::from_fn(|_| Reader::new()),
            changers: std::array::from_fn(|_| Changer::new()),
            clock: Clock::new(random),
            stopped: 0,
        }
    }

    /// Makes a step of one of its tasks.
    pub(super) fn step(&mut self, shared: &mut Shared) {
        if self.stopped > shared.now {
            return;
        }
        let Self { memory, clock, .. } = self;
        match shared.random.index(1 + READERS + CHANGERS) {
            0 => self.looker.step(memory, clock, shared),
            task @ 1..=READERS => self.readers[task - 1].step(memory, clock, shared),
            task => self.changers[task - 1 - READERS].step(memory, clock, shared),
        }
    }

    /// Stops the process for a while.
    pub(super) fn stop(&mut self, duration: u64, now: u64) {
        self.stopped = now + duration;
    }

    /// Suspends the machine for a while.
    pub(super) fn suspend(&mut self, duration: u64, now: u64) {
        if self.stopped <= now {
            self.stop(duration, now);
            self.clock.suspend(duration);
        }
    }

    /// Crashes, and starts again.
    pub(super) fn crash(&mut self, shared: &mut Shared) {
        for changer in &mut self.changers {
            changer.crash(shared);
        }
        *self = Self::new(&mut shared.random);
    }

    /// Returns a time at which something is about to happen: a change is acknowledged, or the last look expires.
    pub(super) fn next_timer(&self, shared: &mut Shared) -> Option<u64> {
        let now = shared.now;
        let waits = self.changers.iter().filter_map(Changer::waits_until);
        let waits = waits.filter_map(|until| {
            let behind = until.0.checked_sub(self.clock.monotonic(now).0)?;
            Some(self.clock.after(now, behind))
        });
        let earliest = waits.min()?;
        Some(earliest + shared.random.below(1_000))
    }
}
