//! A model of PostgreSQL: transactions with identifiers, snapshots, change records, locks on clients, crashes, failovers and a
//! standby that lags.

use std::collections::{BTreeMap, BTreeSet};

use super::{super::entries::Entry, CLIENTS, Rule, clock::MINUTE};

/// The age at which change records are purged.
const RETENTION: u64 = 70 * MINUTE;

pub(super) type Xid = u64;

/// A version of a client, as memory holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Version(pub(super) u64);

impl Entry for Version {
    fn weight(&self) -> u64 {
        1
    }
}

/// The transactions that a statement sees: those before `end` that are not open.
#[derive(Debug, Clone, Default)]
pub(super) struct Snapshot {
    end: Xid,
    open: BTreeSet<Xid>,
}

#[derive(Debug, Clone, Copy)]
struct Record {
    client: usize,
    sequence: u64,
    time: u64,
    committed: Option<u64>,
}

/// A transaction that changes a client.
#[derive(Debug, Clone, Copy)]
pub(super) struct Transaction {
    pub(super) client: usize,
    pub(super) version: Version,
    xid: Xid,
    incarnation: u64,
}

/// The connection to a database server was lost.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lost;

pub(super) struct Database {
    pub(super) timeline: u64,
    /// The number of crashes and failovers, each of which ends all sessions.
    pub(super) incarnation: u64,
    versions: [Version; CLIENTS],
    newest: [Version; CLIENTS],
    locked: [bool; CLIENTS],
    next_xid: Xid,
    /// The newest transaction that survives a crash.
    durable: Xid,
    open: BTreeSet<Xid>,
    records: BTreeMap<Xid, Record>,
    sequence: u64,
    standby: (Snapshot, [Version; CLIENTS]),
}

impl Database {
    pub(super) fn new() -> Self {
        Self {
            timeline: 1,
            incarnation: 1,
            versions: [Version::default(); CLIENTS],
            newest: [Version::default(); CLIENTS],
            locked: [false; CLIENTS],
            next_xid: 10,
            durable: 9,
            open: BTreeSet::new(),
            records: BTreeMap::new(),
            sequence: 0,
            standby: (Snapshot::default(), [Version::default(); CLIENTS]),
        }
    }

    pub(super) fn read(&self, client: usize) -> Version {
        self.versions[client]
    }

    pub(super) fn read_standby(&self, client: usize) -> Version {
        self.standby.1[client]
    }

    pub(super) fn lock(&mut self, client: usize) -> bool {
        !std::mem::replace(&mut self.locked[client], true)
    }

    pub(super) fn unlock(&mut self, client: usize, incarnation: u64) {
        if incarnation == self.incarnation {
            self.locked[client] = false;
        }
    }

    /// Begins to write the next version of a client that is locked.
    pub(super) fn write(&mut self, client: usize, with_record: bool, now: u64) -> Transaction {
        self.newest[client].0 += 1;
        let transaction = Transaction {
            client,
            version: self.newest[client],
            xid: self.assign(),
            incarnation: self.incarnation,
        };
        if with_record {
            self.record(transaction.xid, client, None, now);
        }
        transaction
    }

    fn assign(&mut self) -> Xid {
        let xid = self.next_xid;
        self.next_xid += 1;
        self.open.insert(xid);
        xid
    }

    fn record(&mut self, xid: Xid, client: usize, committed: Option<u64>, now: u64) {
        self.sequence += 1;
        let record = Record {
            client,
            sequence: self.sequence,
            time: now,
            committed,
        };
        self.records.insert(xid, record);
    }

    /// Writes a record of a change in another transaction.
    pub(super) fn record_apart(&mut self, client: usize, now: u64) {
        let xid = self.assign();
        self.record(xid, client, Some(now), now);
        self.open.remove(&xid);
        self.durable = self.durable.max(xid);
    }

    pub(super) fn commit(&mut self, transaction: &Transaction, now: u64) -> Result<(), Lost> {
        self.check(transaction.incarnation)?;
        let Transaction {
            client, version, xid, ..
        } = *transaction;
        self.versions[client] = version;
        self.locked[client] = false;
        self.open.remove(&xid);
        if let Some(record) = self.records.get_mut(&xid) {
            record.committed = Some(now);
        }
        self.durable = self.durable.max(xid);
        Ok(())
    }

    pub(super) fn roll_back(&mut self, transaction: &Transaction) -> Result<(), Lost> {
        self.check(transaction.incarnation)?;
        self.locked[transaction.client] = false;
        self.open.remove(&transaction.xid);
        self.records.remove(&transaction.xid);
        Ok(())
    }

    pub(super) fn check(&self, incarnation: u64) -> Result<(), Lost> {
        if incarnation == self.incarnation {
            Ok(())
        } else {
            Err(Lost)
        }
    }

    /// Runs transactions of another application that are rolled back.
    pub(super) fn waste(&mut self, count: u64) {
        self.next_xid += count;
    }

    /// Ends all sessions and rolls back what is open. Transactions without a durable trace lose their numbers.
    pub(super) fn crash(&mut self) {
        self.incarnation += 1;
        self.locked = [false; CLIENTS];
        self.open.clear();
        self.records.retain(|_, record| record.committed.is_some());
        self.next_xid = self.durable + 1;
        self.catch_up();
    }

    /// Promotes the standby, which has everything that was committed.
    pub(super) fn fail_over(&mut self) {
        self.crash();
        self.timeline += 1;
    }

    /// Lets the standby catch up.
    pub(super) fn catch_up(&mut self) {
        self.standby = (self.snapshot(), self.versions);
    }

    pub(super) fn purge(&mut self, now: u64) {
        let is_kept = |record: &Record| record.committed.is_none_or(|time| time + RETENTION > now);
        self.records.retain(|_, record| is_kept(record));
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot {
            end: self.next_xid,
            open: self.open.clone(),
        }
    }

    /// Looks for changes: returns a cursor, and the clients that changed since another one.
    pub(super) fn look(
        &self,
        last: Option<&str>,
        at_standby: bool,
        broken: Option<Rule>,
    ) -> (String, Vec<usize>) {
        let snapshot = if at_standby {
            self.standby.0.clone()
        } else {
            self.snapshot()
        };
        let visible = |(xid, record): &(&Xid, &Record)| record.committed.is_some() && snapshot.sees(**xid);
        let counter: Option<fn(&Record) -> u64> = match broken {
            Some(Rule::CursorIsNoSequence) => Some(|record| record.sequence),
            Some(Rule::CursorIsNoTime) => Some(|record| record.time),
            _ => None,
        };
        if let Some(counter) = counter {
            let last: u64 = last.map_or(0, |last| last.parse().unwrap());
            let found = self.records.iter().filter(visible);
            let found: Vec<&Record> = found
                .map(|(_, record)| record)
                .filter(|record| counter(record) > last)
                .collect();
            let newest = found.iter().map(|record| counter(record)).max();
            let clients = found.iter().map(|record| record.client).collect();
            return (newest.unwrap_or(last).to_string(), clients);
        }
        let last = last.map(Snapshot::parse);
        let clients = last.iter().flat_map(|last| {
            let later = self.records.range(last.end.min(snapshot.end)..snapshot.end);
            let open = last.open.iter().filter_map(|xid| self.records.get_key_value(xid));
            later.chain(open).filter(visible).map(|(_, record)| record.client)
        });
        (snapshot.text(), clients.collect())
    }
}

impl Snapshot {
    fn sees(&self, xid: Xid) -> bool {
        xid < self.end && !self.open.contains(&xid)
    }

    /// Returns the text of a `pg_snapshot`.
    fn text(&self) -> String {
        let begin = self.open.first().unwrap_or(&self.end);
        let open: Vec<String> = self.open.iter().map(Xid::to_string).collect();
        format!("{begin}:{}:{}", self.end, open.join(","))
    }

    fn parse(text: &str) -> Self {
        let mut parts = text.split(':').skip(1);
        let end = parts.next().unwrap().parse().unwrap();
        let open = parts.next().unwrap().split(',');
        Self {
            end,
            open: open.filter_map(|xid| xid.parse().ok()).collect(),
        }
    }
}
