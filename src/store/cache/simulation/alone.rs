//! A simulation of the only server of a SQLite database. Here the checker also counts what a read found in the database after
//! a change of unknown outcome was reported: from then on, no read may be older.

use super::{
    super::{
        Outcomes,
        entries::{Entries, Fill},
    },
    CLIENTS, RuleAlone, Stale,
    database::Version,
    random::Random,
    replica::client_id,
};

#[derive(Debug, Clone, Copy)]
struct Read {
    client: usize,
    acknowledged: Version,
    /// The newest version whose change had ended when the read began, whatever became of it.
    ended: Version,
}

#[derive(Debug)]
enum Reader {
    Idle,
    Check(Read),
    /// Reads the database without memory, as a list does.
    List(Read),
    Take(Read),
    BeginFill(Read),
    Query(Read, Fill),
    Land(Read, Fill, Version),
}

#[derive(Debug, Clone, Copy)]
enum Changer {
    Idle,
    Lock(usize),
    Write(usize),
    Commit(usize, Version),
    /// The transaction is committed, or the server is given up on.
    Ended {
        client: usize,
        version: Version,
        is_known: bool,
    },
    Acknowledge(usize, Version),
    End {
        client: usize,
        version: Version,
        is_known: bool,
    },
}

#[derive(Debug)]
enum Settler {
    Idle,
    Wait(u64),
    Settle { unknown: u64, dropped: bool },
}

pub(super) struct Alone {
    broken: Option<RuleAlone>,
    random: Random,
    entries: Entries<Version>,
    outcomes: Outcomes,
    readers: [Reader; 3],
    changers: [Changer; 2],
    settler: Settler,
    versions: [Version; CLIENTS],
    newest: [Version; CLIENTS],
    locked: bool,
    /// A transaction whose server gave up on it.
    orphan: Option<(usize, Version)>,
    acknowledged: [Version; CLIENTS],
    ended: [Version; CLIENTS],
    stale: Option<(Read, Version)>,
}

impl Alone {
    pub(super) fn new(seed: u64, broken: Option<RuleAlone>) -> Self {
        Self {
            broken,
            random: Random::new(seed),
            entries: Entries::new(1 << 20),
            outcomes: Outcomes::default(),
            readers: std::array::from_fn(|_| Reader::Idle),
            changers: [Changer::Idle; 2],
            settler: Settler::Idle,
            versions: [Version::default(); CLIENTS],
            newest: [Version::default(); CLIENTS],
            locked: false,
            orphan: None,
            acknowledged: [Version::default(); CLIENTS],
            ended: [Version::default(); CLIENTS],
            stale: None,
        }
    }

    pub(super) fn run(mut self, steps: u64) -> Option<Stale> {
        (0..steps).find_map(|step| {
            match self.random.index(8) {
                0..3 => self.read(),
                3..6 => self.change(),
                6 => self.settle(),
                _ => self.end_orphan(),
            }
            let (read, found) = self.stale.take()?;
            Some(Stale {
                step,
                replica: 0,
                client: read.client,
                found: found.0,
                acknowledged: read.acknowledged.0,
            })
        })
    }

    fn breaks(&self, rule: RuleAlone) -> bool {
        self.broken == Some(rule)
    }

    fn read(&mut self) {
        let index = self.random.index(self.readers.len());
        let reader = std::mem::replace(&mut self.readers[index], Reader::Idle);
        self.readers[index] = match reader {
            Reader::Idle => {
                let client = self.random.index(CLIENTS);
                Reader::Check(Read {
                    client,
                    acknowledged: self.acknowledged[client],
                    ended: self.ended[client],
                })
            }
            Reader::Check(read) if self.random.once_in(4) => Reader::List(read),
            Reader::List(read) => {
                let version = self.versions[read.client];
                self.found(read, version);
                self.end(read, version)
            }
            Reader::Check(read) if self.outcomes.are_known() => Reader::Take(read),
            Reader::Check(read) => Reader::BeginFill(read),
            Reader::Take(read) => match self.entries.get(&client_id(read.client)) {
                Some(version) => self.end(read, version),
                None => Reader::BeginFill(read),
            },
            Reader::BeginFill(read) => Reader::Query(read, self.entries.begin_fill(&client_id(read.client))),
            Reader::Query(read, fill) => Reader::Land(read, fill, self.versions[read.client]),
            Reader::Land(read, fill, version) => {
                let id = client_id(read.client);
                let fill = if self.breaks(RuleAlone::FillsAreVoidedByDrops) {
                    self.entries.begin_fill(&id)
                } else {
                    fill
                };
                self.entries.fill(fill, &id, version);
                self.found(read, version);
                self.end(read, version)
            }
        };
    }

    /// Records what a read found in the database.
    fn found(&mut self, read: Read, version: Version) {
        if version <= read.ended {
            self.acknowledge(read.client, version);
        }
    }

    fn end(&mut self, read: Read, version: Version) -> Reader {
        if version < read.acknowledged {
            self.stale = Some((read, version));
        }
        Reader::Idle
    }

    fn acknowledge(&mut self, client: usize, version: Version) {
        self.acknowledged[client] = self.acknowledged[client].max(version);
    }

    fn drop_one(&self, client: usize) {
        self.entries.drop_one(&client_id(client));
    }

    fn change(&mut self) {
        let index = self.random.index(self.changers.len());
        self.changers[index] = match self.changers[index] {
            Changer::Idle => Changer::Lock(self.random.index(CLIENTS)),
            Changer::Lock(client) if self.locked => Changer::Lock(client),
            Changer::Lock(client) => {
                self.locked = true;
                Changer::Write(client)
            }
            Changer::Write(client) => {
                if self.breaks(RuleAlone::DropAfterTheCommit) {
                    self.drop_one(client);
                }
                if self.random.once_in(3) {
                    self.locked = false;
                    let version = self.versions[client];
                    Changer::Ended {
                        client,
                        version,
                        is_known: true,
                    }
                } else {
                    self.newest[client].0 += 1;
                    Changer::Commit(client, self.newest[client])
                }
            }
            Changer::Commit(client, version) if self.random.once_in(4) => {
                self.orphan = Some((client, version));
                Changer::Ended {
                    client,
                    version,
                    is_known: false,
                }
            }
            Changer::Commit(client, version) => {
                self.versions[client] = version;
                self.locked = false;
                let is_known = !self.random.once_in(10);
                Changer::Ended {
                    client,
                    version,
                    is_known,
                }
            }
            Changer::Ended {
                client,
                version,
                is_known,
            } => {
                if self.breaks(RuleAlone::DropBeforeTheAcknowledgement) && is_known {
                    self.acknowledge(client, version);
                }
                Changer::End {
                    client,
                    version,
                    is_known,
                }
            }
            Changer::End {
                client,
                version,
                is_known,
            } => {
                if !self.breaks(RuleAlone::DropAfterTheCommit) {
                    self.drop_one(client);
                }
                if is_known {
                    Changer::Acknowledge(client, version)
                } else {
                    if !self.breaks(RuleAlone::UnknownOutcomesCount) {
                        self.outcomes.add_unknown();
                    }
                    self.ended[client] = self.ended[client].max(version);
                    Changer::Idle
                }
            }
            Changer::Acknowledge(client, version) => {
                self.acknowledge(client, version);
                Changer::Idle
            }
        };
    }

    /// Ends the transaction that its server gave up on.
    fn end_orphan(&mut self) {
        if self.random.once_in(4)
            && let Some((client, version)) = self.orphan.take()
        {
            if self.random.once_in(2) {
                self.versions[client] = version;
            }
            self.locked = false;
        }
    }

    fn settle(&mut self) {
        let settler = std::mem::replace(&mut self.settler, Settler::Idle);
        self.settler = match settler {
            Settler::Idle if self.outcomes.are_known() => Settler::Idle,
            Settler::Idle => Settler::Wait(self.outcomes.unknown()),
            Settler::Wait(unknown) if self.locked && !self.breaks(RuleAlone::SettledBehindTheWriters) => {
                Settler::Wait(unknown)
            }
            Settler::Wait(unknown) => Settler::Settle {
                unknown,
                dropped: false,
            },
            Settler::Settle {
                unknown,
                dropped: false,
            } => {
                if !self.breaks(RuleAlone::DropsBeforeSettled) {
                    self.entries.drop_all();
                }
                Settler::Settle {
                    unknown,
                    dropped: true,
                }
            }
            Settler::Settle { unknown, .. } => {
                self.outcomes.settle(unknown);
                Settler::Idle
            }
        };
    }
}
