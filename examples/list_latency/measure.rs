//! Measuring a page of two databases, and the table of the results.

use std::{
    collections::BTreeSet,
    fmt,
    time::{Duration, Instant},
};

use oauth_clients::{
    domain::ids::TenantId,
    store::{Claim, DatabaseUrl, Store},
};

use crate::output::{Outcome, print};

/// Opens a database and migrates it.
pub(crate) async fn open(url: &str) -> Outcome<Store> {
    let url: DatabaseUrl = url.parse()?;
    let claim = Claim::acquire(&url, None).await?;
    let store = Store::connect(&url, None).await?;
    store.migrate(&claim).await?;
    Ok(store)
}

pub(crate) fn tenant(number: u64) -> Outcome<TenantId> {
    Ok(TenantId::parse(&format!("tenant-{number}"))?)
}

/// Returns the median times of reading from each database, measured in turn.
pub(crate) async fn compare(
    samples: usize,
    mut small: impl AsyncFnMut() -> Outcome<()>,
    mut large: impl AsyncFnMut() -> Outcome<()>,
) -> Outcome<[Duration; 2]> {
    let mut times = [Vec::new(), Vec::new()];
    for sample in 0..samples + 3 {
        let mut taken = [Duration::ZERO; 2];
        let started = Instant::now();
        small().await?;
        taken[0] = started.elapsed();
        let started = Instant::now();
        large().await?;
        taken[1] = started.elapsed();
        // The first few fill caches.
        if sample >= 3 {
            times[0].push(taken[0]);
            times[1].push(taken[1]);
        }
    }
    Ok(times.map(|mut times| {
        times.sort_unstable();
        times[times.len() / 2]
    }))
}

/// A row of the table.
pub(crate) struct Row {
    name: String,
    page: u64,
    times: [Duration; 2],
    plan: String,
}

impl Row {
    pub(crate) fn print_header(items: &str, small: u64, large: u64) {
        print(&format!(
            "| list | page | {small} {items} | {large} {items} | ratio | plan |"
        ));
        print("|---|---|---:|---:|---:|---|");
    }

    /// Makes a row of the median times, and of the plan of the large database.
    pub(crate) fn new(name: &str, page: u64, times: [Duration; 2], plan: &[String]) -> Self {
        Self {
            name: name.to_owned(),
            page,
            times,
            plan: summary(plan),
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [small, large] = self.times.map(|time| time.as_secs_f64() * 1_000.0);
        write!(
            f,
            "| {} | {} | {small:.2} ms | {large:.2} ms | {:.2} | {} |",
            self.name,
            self.page,
            large / small,
            self.plan
        )
    }
}

/// Summarizes a plan without its conditions.
fn summary(plan: &[String]) -> String {
    let steps: BTreeSet<String> = plan
        .iter()
        .map(|line| line.trim_start_matches([' ', '-', '>']).to_owned())
        .filter(|line| {
            ["Index", "Sort", "Seq", "Bitmap", "SEARCH", "SCAN", "USE TEMP"]
                .iter()
                .any(|step| line.starts_with(step) || line.starts_with("Incremental"))
        })
        .filter(|line| !line.starts_with("Index Cond") && !line.starts_with("Sort Key"))
        .map(|line| {
            line.replace(" on oauth_clients", "")
                .replace(" on oauth_client_changes", "")
                .replace("oauth_clients_", "")
                .replace("oauth_client_changes_", "")
        })
        .collect();
    steps.into_iter().collect::<Vec<_>>().join("; ")
}
