//! The reads of a simulated server.

use super::{
    super::{entries::Fill, freshness::Instant},
    CLIENTS, Rule,
    clock::Clock,
    database::Version,
    replica::{Memory, client_id},
    world::Shared,
};

/// A read that began.
#[derive(Debug, Clone, Copy)]
struct Read {
    client: usize,
    /// The newest version that was acknowledged before.
    acknowledged: Version,
    arrived: Instant,
}

/// The steps of a read.
#[derive(Debug)]
enum Step {
    Idle,
    Check(Read),
    /// Waits for a look, after so many finished ones; at most for so many more.
    Wait {
        read: Read,
        finished: u64,
        left: u8,
    },
    Take(Read),
    BeginFill(Read),
    Query(Read, Fill),
    Land(Read, Fill, Version),
}

/// Reads clients, one after the other.
pub(super) struct Reader {
    step: Step,
    /// The entry that was taken before the check, if that rule is broken.
    early: Option<Version>,
}

impl Reader {
    pub(super) fn new() -> Self {
        Self {
            step: Step::Idle,
            early: None,
        }
    }

    pub(super) fn step(&mut self, memory: &mut Memory, clock: &Clock, shared: &mut Shared) {
        let now = if shared.breaks(Rule::ClockRunsWhileSuspended) {
            clock.monotonic(shared.now)
        } else {
            clock.boottime(shared.now)
        };
        let step = std::mem::replace(&mut self.step, Step::Idle);
        self.step = match step {
            Step::Idle => {
                let client = shared.random.index(CLIENTS);
                self.early = memory.entries.get(&client_id(client));
                Step::Check(Read {
                    client,
                    acknowledged: shared.acknowledged[client],
                    arrived: now,
                })
            }
            Step::Check(read) if memory.freshness.counts_at(now) => Step::Take(read),
            Step::Check(read) if memory.fails => Step::BeginFill(read),
            Step::Check(read) => {
                memory.wanted = true;
                let finished = memory.finished;
                Step::Wait {
                    read,
                    finished,
                    left: 2,
                }
            }
            Step::Wait { read, finished, left } if memory.finished == finished => {
                Step::Wait { read, finished, left }
            }
            Step::Wait { read, left, .. } => {
                let counts = memory.freshness.counts_at(now)
                    || memory.freshness.began_after(read.arrived)
                    || shared.breaks(Rule::WaitForALookThatBeginsLater) && !memory.fails;
                if counts {
                    shared.seen.reads_that_waited += 1;
                    Step::Take(read)
                } else if memory.fails || left == 0 {
                    Step::BeginFill(read)
                } else {
                    memory.wanted = true;
                    let finished = memory.finished;
                    Step::Wait {
                        read,
                        finished,
                        left: left - 1,
                    }
                }
            }
            Step::Take(read) => {
                let taken = if shared.breaks(Rule::CheckBeforeTheEntry) {
                    self.early
                } else {
                    memory.entries.get(&client_id(read.client))
                };
                match taken {
                    Some(version) => {
                        shared.seen.reads_from_memory += 1;
                        Self::end(read, version, shared)
                    }
                    None => Step::BeginFill(read),
                }
            }
            Step::BeginFill(read) => Step::Query(read, memory.entries.begin_fill(&client_id(read.client))),
            Step::Query(..) if shared.random.once_in(30) => Step::Idle,
            Step::Query(read, fill) if shared.random.once_in(30) => {
                if shared.breaks(Rule::FillsFromThePrimary) {
                    let version = shared.database.read_standby(read.client);
                    // The read itself is old too; the checker is after the ones that it makes old.
                    let read = Read {
                        acknowledged: Version::default(),
                        ..read
                    };
                    Step::Land(read, fill, version)
                } else {
                    Step::Idle
                }
            }
            Step::Query(read, fill) => Step::Land(read, fill, shared.database.read(read.client)),
            Step::Land(read, fill, version) => {
                let id = client_id(read.client);
                let fill = if shared.breaks(Rule::FillsAreVoidedByDrops) {
                    memory.entries.begin_fill(&id)
                } else {
                    fill
                };
                memory.entries.fill(fill, &id, version);
                shared.seen.reads_from_database += 1;
                Self::end(read, version, shared)
            }
        };
    }

    fn end(read: Read, version: Version, shared: &mut Shared) -> Step {
        if version < read.acknowledged {
            shared.stale(read.client, version, read.acknowledged);
        }
        Step::Idle
    }
}
