//! The rules of a fault, and a row of the table.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    observe::{Observed, failures, percentile},
    plan::Plan,
    stage::Database,
    traffic::{Failed, Kind, Sample, code},
};

pub(crate) const HEAD: &str = "\
| fault | database | reads | failed | p50 | p99 | writes | failed | unready | recovery | lost | stale | figures | verdict |
| --- | --- | ---: | --- | ---: | ---: | ---: | --- | ---: | ---: | ---: | ---: | --- | --- |";

/// The factor by which the p99 of reads may grow while another tenant causes load.
const SLOWER: u32 = 3;
/// A p99 below which a read counts as fast whatever it was before: the load and the servers share the processors.
const FAST: Duration = Duration::from_millis(25);
/// The same in a short run, in which few reads are made, by a debug build.
const FAST_IN_SHORT: Duration = Duration::from_secs(2);
/// The time within which every response comes, also while the database does not respond: the 5 s that are promised, and
/// what a busy machine adds.
const LONGEST: Duration = Duration::from_secs(7);

/// What the other tenant may notice of a fault.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    /// The codes with which its reads may fail.
    pub(crate) reads: &'static [Failed],
    /// The codes with which its changes may fail.
    pub(crate) writes: &'static [Failed],
    /// A server may report that it is not ready.
    pub(crate) may_be_unready: bool,
    /// The p99 of reads may grow.
    pub(crate) may_be_slow: bool,
    /// The one server that these rules are about; `None` for all.
    pub(crate) server: Option<usize>,
}

impl Rules {
    /// Nothing: one tenant, one caller or one client causes it, and must not harm others.
    pub(crate) const UNHARMED: Self = Self {
        reads: &[],
        writes: &[],
        may_be_unready: false,
        may_be_slow: false,
        server: None,
    };
    /// That something everybody needs is away.
    pub(crate) const OUTAGE: Self = Self {
        reads: &[code::UNAVAILABLE],
        writes: &[code::UNAVAILABLE],
        may_be_unready: true,
        may_be_slow: true,
        server: None,
    };
}

/// A row of the table.
#[derive(Debug)]
pub(crate) struct Row {
    text: String,
    /// The rules that were broken.
    pub(crate) broken: Vec<String>,
}

impl Row {
    /// Returns the row of a fault. `figures` are those of the fault itself, and `broken` the rules about them.
    pub(crate) fn of<T>(
        (fault, database): (&str, Database),
        observed: &Observed<T>,
        rules: Rules,
        plan: Plan,
        figures: &str,
        mut broken: Vec<String>,
    ) -> Self {
        let judged = |samples: &[Sample], kind: Kind| -> Vec<Sample> {
            let about = |sample: &&Sample| {
                sample.kind == kind && rules.server.is_none_or(|server| server == sample.server)
            };
            samples.iter().filter(about).copied().collect()
        };
        let quiet = judged(&observed.quiet, Kind::Read);
        let [reads, writes, probes] =
            [Kind::Read, Kind::Write, Kind::Ready].map(|kind| judged(&observed.during, kind));
        let (failed_reads, failed_writes) = (failures(reads.iter()), failures(writes.iter()));
        let everything = observed.quiet.iter().chain(&observed.during);
        let stale = everything
            .filter(|sample| sample.outcome == Err(code::STALE))
            .count();
        let unready = flaps(&probes);
        let (before, during) = (times(&quiet), times(&reads));
        let p99 = percentile(&during, 990);

        let failed_before = failures(observed.quiet.iter());
        broken.extend(unexpected("before the fault", &failed_before, &[]));
        broken.extend(unexpected("reads", &failed_reads, rules.reads));
        broken.extend(unexpected("changes", &failed_writes, rules.writes));
        let fails = |broken: &mut Vec<String>, holds: bool, rule: &str| {
            if holds {
                broken.push(rule.to_owned());
            }
        };
        fails(&mut broken, stale > 0, "stale reads");
        fails(
            &mut broken,
            observed.lost.is_none_or(|lost| lost > 0),
            "lost changes",
        );
        fails(&mut broken, observed.panics > 0, "a panic");
        fails(&mut broken, !rules.may_be_unready && unready > 0, "not ready");
        fails(&mut broken, observed.recovery.is_none(), "no recovery");
        let fast = if plan.is_short { FAST_IN_SHORT } else { FAST };
        let allowed = fast.max(percentile(&before, 990) * SLOWER);
        fails(&mut broken, !rules.may_be_slow && p99 > allowed, "slow reads");
        let longest = reads
            .iter()
            .chain(&writes)
            .map(|sample| sample.took)
            .max()
            .unwrap_or_default();
        fails(&mut broken, longest > LONGEST, "a response that came too late");

        let text = format!(
            "| {fault} | {} | {} | {} | {} → {} | {} → {} | {} | {} | {unready} | {} | {} | {stale} | {figures} | {} |",
            database.name(),
            reads.len(),
            listed(&failed_reads),
            milliseconds(percentile(&before, 500)),
            milliseconds(percentile(&during, 500)),
            milliseconds(percentile(&before, 990)),
            milliseconds(p99),
            writes.len(),
            listed(&failed_writes),
            observed.recovery.map_or("none".to_owned(), seconds),
            observed.lost.map_or("?".to_owned(), |lost| lost.to_string()),
            if broken.is_empty() {
                "good".to_owned()
            } else {
                format!("**bad**: {}", broken.join(", "))
            },
        );
        Self { text, broken }
    }

    /// Returns the row of a fault that cannot be caused on this machine.
    pub(crate) fn left_out((fault, database): (&str, Database), reason: &str) -> Self {
        let name = database.name();
        let text = format!("| {fault} | {name} | | | | | | | | | | | | left out: {reason} |");
        Self {
            text,
            broken: Vec::new(),
        }
    }

    /// Returns the row of a fault that could not be observed.
    pub(crate) fn failed((fault, database): (&str, Database), error: &str) -> Self {
        let broken = vec![error.to_owned()];
        let name = database.name();
        let text = format!("| {fault} | {name} | | | | | | | | | | | | **bad**: {error} |");
        Self { text, broken }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

/// Returns the times of those that succeeded, sorted.
fn times(samples: &[Sample]) -> Vec<Duration> {
    let succeeded = samples.iter().filter(|sample| sample.outcome.is_ok());
    let mut times: Vec<_> = succeeded.map(|sample| sample.took).collect();
    times.sort_unstable();
    times
}

/// Returns how often servers became not ready.
fn flaps(probes: &[Sample]) -> usize {
    let mut flaps = 0;
    let servers = probes.iter().map(|probe| probe.server + 1).max().unwrap_or(0);
    for server in 0..servers {
        let mut of_server: Vec<_> = probes.iter().filter(|probe| probe.server == server).collect();
        of_server.sort_by_key(|probe| probe.at);
        let mut was_ready = true;
        for probe in of_server {
            let ready = probe.outcome.is_ok();
            flaps += usize::from(was_ready && !ready);
            was_ready = ready;
        }
    }
    flaps
}

fn unexpected(what: &str, failed: &BTreeMap<Failed, usize>, allowed: &[Failed]) -> Option<String> {
    let codes: Vec<Failed> = failed
        .keys()
        .copied()
        .filter(|code| !allowed.contains(code))
        .collect();
    (!codes.is_empty()).then(|| format!("{what}: {}", codes.join(" ")))
}

/// Returns failures as text.
pub(crate) fn listed(failed: &BTreeMap<Failed, usize>) -> String {
    if failed.is_empty() {
        return "0".to_owned();
    }
    let counts = failed.iter().map(|(code, count)| format!("{count} {code}"));
    counts.collect::<Vec<_>>().join(", ")
}

pub(crate) fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1_000.0)
}

pub(crate) fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
