//! The faults, in the order of the table.

use clap::ValueEnum;

use crate::{
    faults::{connections, database, disk, lists, locked_row, network, overload, redis, server, streams},
    stage::{Bench, Database},
    support::Outcome,
    verdict::Row,
};

/// A fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Fault {
    ServerKilled,
    ServerFrozen,
    BackendKilled,
    PostgresKilled,
    PostgresRestarted,
    PostgresFrozen,
    PostmasterFrozen,
    BackendFrozen,
    BlackHole,
    Failover,
    FullDisk,
    RedisKilled,
    RedisFrozen,
    FewDescriptors,
    IdleConnections,
    SlowReaders,
    WorstLists,
    ManyLists,
    LockedRow,
    RapidReset,
    ShortDeadlines,
    RequestsInFlight,
    Overload,
}

impl Fault {
    /// Returns the name in the table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ServerKilled => "kill -9 of the server",
            Self::ServerFrozen => "SIGSTOP of one of two servers",
            Self::BackendKilled => "kill -9 of a PostgreSQL backend",
            Self::PostgresKilled => "kill -9 of PostgreSQL",
            Self::PostgresRestarted => "restart of PostgreSQL",
            Self::PostgresFrozen => "SIGSTOP of PostgreSQL",
            Self::PostmasterFrozen => "SIGSTOP of the postmaster",
            Self::BackendFrozen => "SIGSTOP of a backend",
            Self::BlackHole => "black hole before the database",
            Self::Failover => "failover to a synchronous standby",
            Self::FullDisk => "full disk",
            Self::RedisKilled => "kill -9 of Redis",
            Self::RedisFrozen => "SIGSTOP of Redis",
            Self::FewDescriptors => "no descriptors left (EMFILE)",
            Self::IdleConnections => "idle connections",
            Self::SlowReaders => "slow readers",
            Self::WorstLists => "worst lists within a quota",
            Self::ManyLists => "lists without a quota",
            Self::LockedRow => "locked row and 20 patches",
            Self::RapidReset => "rapid reset",
            Self::ShortDeadlines => "deadlines of 50 ms on one connection",
            Self::RequestsInFlight => "gets in flight",
            Self::Overload => "10 × full load",
        }
    }

    /// Returns the databases on which it is tried.
    pub(crate) fn databases(self) -> &'static [Database] {
        match self {
            Self::ServerKilled | Self::FullDisk | Self::WorstLists | Self::ManyLists => &Database::BOTH,
            Self::RedisKilled | Self::RedisFrozen | Self::FewDescriptors | Self::IdleConnections => {
                &[Database::Sqlite]
            }
            _ => &[Database::Postgres],
        }
    }

    /// Causes the fault, and returns what became of it.
    pub(crate) async fn observe(self, bench: &mut Bench, database: Database) -> Outcome<Row> {
        let case = (self.name(), database);
        match self {
            Self::ServerKilled => server::killed(bench, case).await,
            Self::ServerFrozen => server::frozen(bench, case).await,
            Self::BackendKilled => database::backend_killed(bench, case).await,
            Self::PostgresKilled => database::killed(bench, case).await,
            Self::PostgresRestarted => database::restarted(bench, case).await,
            Self::PostgresFrozen => database::frozen(bench, case).await,
            Self::PostmasterFrozen => database::postmaster_frozen(bench, case).await,
            Self::BackendFrozen => database::backend_frozen(bench, case).await,
            Self::BlackHole => network::black_hole(bench, case).await,
            Self::Failover => network::failover(bench, case).await,
            Self::FullDisk => disk::full(bench, case).await,
            Self::RedisKilled => redis::killed(bench, case).await,
            Self::RedisFrozen => redis::frozen(bench, case).await,
            Self::FewDescriptors => connections::few_descriptors(bench, case).await,
            Self::IdleConnections => connections::idle(bench, case).await,
            Self::SlowReaders => connections::slow_readers(bench, case).await,
            Self::WorstLists => lists::worst(bench, case).await,
            Self::ManyLists => lists::many(bench, case).await,
            Self::LockedRow => locked_row::locked(bench, case).await,
            Self::RapidReset => streams::rapid_reset(bench, case).await,
            Self::ShortDeadlines => streams::short_deadlines(bench, case).await,
            Self::RequestsInFlight => overload::requests_in_flight(bench, case).await,
            Self::Overload => overload::tenfold(bench, case).await,
        }
    }
}
