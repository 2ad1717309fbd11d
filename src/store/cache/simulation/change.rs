//! The changes of a simulated server.

use super::{
    CLIENTS, Rule,
    clock::Clock,
    database::{Transaction, Version},
    replica::{Memory, client_id},
    world::Shared,
};
use crate::store::cache::freshness::Instant;

/// The steps of a change.
#[derive(Debug)]
enum Step {
    Idle,
    Lock {
        client: usize,
    },
    Locked {
        client: usize,
        incarnation: u64,
    },
    Written(Transaction),
    CommitSent(Transaction),
    Committed(Transaction),
    /// The transaction has ended, at a time if its outcome is known.
    Ended {
        client: usize,
        found: Option<(Version, bool)>,
    },
    Wait {
        client: usize,
        version: Version,
        until: Instant,
    },
}

/// Changes clients, one after the other.
pub(super) struct Changer {
    step: Step,
}

impl Changer {
    pub(super) fn new() -> Self {
        Self { step: Step::Idle }
    }

    /// Returns the time until which the change waits.
    pub(super) fn waits_until(&self) -> Option<Instant> {
        match self.step {
            Step::Wait { until, .. } => Some(until),
            _ => None,
        }
    }

    /// Ends with its server. What was sent is still executed.
    pub(super) fn crash(&mut self, shared: &mut Shared) {
        match std::mem::replace(&mut self.step, Step::Idle) {
            Step::Locked { client, incarnation } => shared.database.unlock(client, incarnation),
            Step::Written(transaction) => shared.orphans.push((transaction, false)),
            Step::CommitSent(transaction) => shared.orphans.push((transaction, true)),
            Step::Idle | Step::Lock { .. } | Step::Committed(_) | Step::Ended { .. } | Step::Wait { .. } => {}
        }
    }

    pub(super) fn step(&mut self, memory: &mut Memory, clock: &Clock, shared: &mut Shared) {
        let step = std::mem::replace(&mut self.step, Step::Idle);
        let now = clock.monotonic(shared.now);
        self.step = match step {
            Step::Idle if shared.random.once_in(4) => Step::Lock {
                client: shared.random.index(CLIENTS),
            },
            Step::Idle => Step::Idle,
            Step::Lock { client } if shared.database.lock(client) => Step::Locked {
                client,
                incarnation: shared.database.incarnation,
            },
            Step::Lock { client } => Step::Lock { client },
            Step::Locked { client, incarnation } => find(client, incarnation, shared),
            Step::Written(transaction) => Step::CommitSent(transaction),
            Step::CommitSent(transaction) => commit(transaction, shared),
            Step::Committed(transaction) => {
                let client = transaction.client;
                if shared.random.once_in(10) {
                    shared.seen.unknown_outcomes += 1;
                    Step::Ended { client, found: None }
                } else {
                    if shared.breaks(Rule::RecordInTheTransaction) {
                        shared.database.record_apart(client, shared.now);
                    }
                    let found = Some((transaction.version, true));
                    Step::Ended { client, found }
                }
            }
            Step::Ended { client, found } => {
                memory.entries.drop_one(&client_id(client));
                match found {
                    Some((version, changed)) => {
                        let wait = shared.wait(changed);
                        let until = Instant(now.0 + u64::try_from(wait.as_nanos()).unwrap());
                        Step::Wait {
                            client,
                            version,
                            until,
                        }
                    }
                    None => Step::Idle,
                }
            }
            Step::Wait {
                until,
                client,
                version,
            } if now >= until => {
                shared.acknowledge(client, version);
                Step::Idle
            }
            wait @ Step::Wait { .. } => wait,
        };
    }
}

/// Finds the client under its lock, and changes it or leaves it as it is.
fn find(client: usize, incarnation: u64, shared: &mut Shared) -> Step {
    if shared.database.check(incarnation).is_err() {
        return Step::Ended { client, found: None };
    }
    if shared.random.once_in(3) {
        let version = shared.database.read(client);
        shared.database.unlock(client, incarnation);
        let found = Some((version, false));
        return Step::Ended { client, found };
    }
    let with_record = !shared.breaks(Rule::RecordInTheTransaction);
    Step::Written(shared.database.write(client, with_record, shared.now))
}

fn commit(transaction: Transaction, shared: &mut Shared) -> Step {
    let ended = Step::Ended {
        client: transaction.client,
        found: None,
    };
    match shared.random.below(10) {
        0 => {
            shared.seen.unknown_outcomes += 1;
            shared.orphans.push((transaction, true));
            ended
        }
        1 => {
            let _lost = shared.database.roll_back(&transaction);
            ended
        }
        2..5 => Step::CommitSent(transaction),
        _ => match shared.database.commit(&transaction, shared.now) {
            Ok(()) => Step::Committed(transaction),
            Err(_) => ended,
        },
    }
}
