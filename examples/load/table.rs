//! The results as a Markdown table.

use std::time::Duration;

use crate::{compare::Compared, run::Measured, support::Outcome};

pub(crate) const HEAD: &str = "\
| operation | calls/s | p50 | p90 | p99 | p99.9 | max | no-op calls/s | no-op p50 | ratio of calls/s | ratio of p50 | from memory | of verifying alone |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |";

/// Returns a row of the table.
pub(crate) fn row(name: &str, compared: Compared) -> Outcome<String> {
    let (real, bare) = (Figures::of(compared.operation)?, Figures::of(compared.no_op)?);
    let percentiles = real.percentiles.map(milliseconds).join(" | ");
    let hit_rate = compared
        .hit_rate
        .map_or("-".to_owned(), |rate| format!("{:.1} %", rate * 100.0));
    let share_of_verifying = compared.verified_alone.map_or("-".to_owned(), |alone| {
        format!("{:.2}", real.calls_a_second / alone)
    });
    let ([median, ..], [bare_median, ..]) = (real.percentiles, bare.percentiles);
    Ok(format!(
        "| {name} | {:.0} | {percentiles} | {:.0} | {} | {:.2} | {:.1} | {hit_rate} | {share_of_verifying} |",
        real.calls_a_second,
        bare.calls_a_second,
        milliseconds(bare_median),
        real.calls_a_second / bare.calls_a_second,
        median.as_secs_f64() / bare_median.as_secs_f64(),
    ))
}

struct Figures {
    calls_a_second: f64,
    /// The percentiles 50, 90, 99, 99.9 and 100.
    percentiles: [Duration; 5],
}

impl Figures {
    fn of(mut measured: Measured) -> Outcome<Self> {
        measured.latencies.sort_unstable();
        let count = u32::try_from(measured.latencies.len())?;
        Ok(Self {
            calls_a_second: f64::from(count) / measured.elapsed.as_secs_f64(),
            percentiles: [500, 900, 990, 999, 1_000]
                .map(|permille| percentile(&measured.latencies, permille)),
        })
    }
}

/// Returns the smallest time that `permille` of the requests do not exceed.
fn percentile(sorted: &[Duration], permille: usize) -> Duration {
    let place = (sorted.len() * permille).div_ceil(1_000).saturating_sub(1);
    sorted.get(place).copied().unwrap_or_default()
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1_000.0)
}
