//! The looks of a simulated server.

use super::{
    super::{
        freshness::Instant,
        progress::{Drops, Progress},
    },
    Rule,
    clock::Clock,
    replica::{Memory, client_id},
    world::Shared,
};
use crate::store::changes::{Cursor, Found, Look, ServerIdentity};

/// The steps of a look.
#[derive(Debug)]
enum Step {
    Idle,
    Stamped { began: Instant },
    Sent { began: Instant },
    Answered { began: Instant, look: Look },
    Received { began: Instant, drops: Drops },
}

/// Looks for changes, one time after the other.
pub(super) struct Looker {
    step: Step,
    progress: Progress,
    /// The incarnation of the database to which the session is connected; `None` without a session.
    pub(super) session: Option<u64>,
}

impl Looker {
    pub(super) fn new() -> Self {
        Self {
            step: Step::Idle,
            progress: Progress::default(),
            session: None,
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
            Step::Idle if memory.wanted || shared.random.once_in(8) => {
                memory.wanted = false;
                Step::Stamped { began: now }
            }
            Step::Idle => Step::Idle,
            Step::Stamped { began } => {
                self.session.get_or_insert(shared.database.incarnation);
                Step::Sent { began }
            }
            Step::Sent { began } => match self.ask(shared) {
                Some(look) => Step::Answered { began, look },
                None => self.fail(memory, shared),
            },
            Step::Answered { .. } if shared.random.once_in(15) => self.fail(memory, shared),
            Step::Answered { began, look } => {
                let began = if shared.breaks(Rule::StampBeforeTheLookIsSent) {
                    now
                } else {
                    began
                };
                let received = match shared.broken {
                    Some(Rule::NoGap) => Instant(0),
                    Some(Rule::GapToTheReceipt) => began,
                    _ => now,
                };
                let drops = self.progress.advance(look, began, received);
                if shared.breaks(Rule::DropsBeforeThePublication) {
                    memory.publish(began);
                }
                Step::Received { began, drops }
            }
            Step::Received { began, drops } => match drops {
                Drops::Clients(mut ids) if !ids.is_empty() => {
                    if let Some(id) = ids.pop() {
                        memory.entries.drop_one(&id);
                    }
                    let drops = Drops::Clients(ids);
                    Step::Received { began, drops }
                }
                Drops::All => {
                    memory.entries.drop_all();
                    let drops = Drops::Clients(Vec::new());
                    Step::Received { began, drops }
                }
                Drops::Clients(_) => {
                    shared.seen.looks += 1;
                    memory.publish(began);
                    Step::Idle
                }
            },
        };
    }

    /// Executes the statement; `None` if it fails.
    fn ask(&self, shared: &mut Shared) -> Option<Look> {
        let session = self.session?;
        shared.database.check(session).ok()?;
        if shared.random.once_in(15) {
            return None;
        }
        let at_standby = shared.random.once_in(15);
        if at_standby && !shared.breaks(Rule::NoLooksAtAStandby) {
            return None;
        }
        let last = self.progress.cursor().map(|cursor| cursor.snapshot.as_str());
        let (snapshot, clients) = shared.database.look(last, at_standby, shared.broken);
        let timeline = if shared.breaks(Rule::SameHistory) {
            1
        } else {
            shared.database.timeline
        };
        Some(Look {
            cursor: Cursor {
                snapshot,
                server: ServerIdentity {
                    system: "7".to_owned(),
                    database: "5".to_owned(),
                    timeline: timeline.to_string(),
                },
            },
            found: Found::Clients(clients.into_iter().map(client_id).collect()),
        })
    }

    fn fail(&mut self, memory: &mut Memory, shared: &mut Shared) -> Step {
        shared.seen.failed_looks += 1;
        self.session = None;
        if !shared.breaks(Rule::CursorEndsWithItsSession) {
            self.progress = Progress::default();
        }
        memory.fail();
        Step::Idle
    }
}
