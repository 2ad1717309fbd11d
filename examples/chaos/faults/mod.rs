//! The faults: each sets a stage, causes the fault, and judges what was observed.

pub(crate) mod connections;
pub(crate) mod database;
pub(crate) mod disk;
pub(crate) mod lists;
pub(crate) mod locked_row;
pub(crate) mod network;
pub(crate) mod overload;
pub(crate) mod redis;
pub(crate) mod server;
pub(crate) mod streams;

use crate::{
    observe::percentile,
    stage::Database,
    traffic::Tally,
    verdict::{listed, milliseconds},
};

/// The name of a fault, and the database.
pub(crate) type Case = (&'static str, Database);

/// Returns the figures of an attack.
fn figures(tally: &Tally) -> String {
    format!(
        "attack: {} succeeded with p50 {} and p99 {}, failed {}",
        tally.succeeded.len(),
        milliseconds(percentile(&tally.succeeded, 500)),
        milliseconds(percentile(&tally.succeeded, 990)),
        listed(&tally.failed),
    )
}
