//! Fills databases with clients, or with change records, and measures the latency of pages of a list by the shape of the query.
//!
//! ```sh
//! cargo run --release --example list_latency -- \
//!   --small sqlite:/tmp/small.db --large sqlite:/tmp/large.db --clients 1000000
//! cargo run --release --example list_latency -- --list changes \
//!   --small sqlite:/tmp/small.db --large sqlite:/tmp/large.db --records 10000000
//! ```
//!
//! It reads from the store without a server, so no rate limit applies. Both databases are measured in turn, sample by
//! sample, so that the ratio of their medians is stable on a noisy machine too. The table is Markdown.

#![expect(
    clippy::disallowed_methods,
    reason = "a tool reads the clock and makes random values"
)]
#![expect(clippy::indexing_slicing, reason = "a tool may stop at a bug")]

mod changes;
mod clients;
mod measure;
#[path = "../support/output.rs"]
mod output;

use clap::Parser;

use self::output::Outcome;

/// Measures the latency of lists.
#[derive(Debug, Parser)]
struct Args {
    /// List to measure.
    #[arg(long, value_enum, default_value_t = ListKind::Clients)]
    list: ListKind,
    /// Database with 1,000 clients, or 10,000 change records, in one tenant.
    #[arg(long)]
    small: String,
    /// Database with many.
    #[arg(long)]
    large: String,
    /// Number of clients in the large database.
    #[arg(long, default_value_t = 1_000_000)]
    clients: u64,
    /// Number of tenants that share them. The first is measured.
    #[arg(long, default_value_t = 1)]
    tenants: u64,
    /// Number of change records in the large database, all of one tenant.
    #[arg(long, default_value_t = 10_000_000)]
    records: u64,
    /// Number of samples per page.
    #[arg(long, default_value_t = 51)]
    samples: usize,
    /// Number of the deep page, in pages of 20.
    #[arg(long, default_value_t = 10_000)]
    deep_page: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum ListKind {
    Clients,
    Changes,
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let args = Args::parse();
    match args.list {
        ListKind::Clients => clients::measure(&args).await,
        ListKind::Changes => changes::measure(&args).await,
    }
}
