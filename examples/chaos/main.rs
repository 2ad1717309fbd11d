//! Causes the faults that a registry has to survive, one after the other, and prints what another tenant noticed of each.
//!
//! ```sh
//! cargo build --release --bin oauth-clients --example chaos && target/release/examples/chaos
//! ```
//!
//! It starts the built server as a process, and PostgreSQL clusters and a Redis of its own. It fails if a verdict is bad.
//! `docs/chaos.md` says how to read the table.

#![expect(
    clippy::disallowed_methods,
    reason = "a tool reads the clock and makes random values"
)]

mod fault;
mod faults;
mod network;
mod observe;
mod plan;
mod processes;
mod stage;
#[path = "../support/output.rs"]
mod support;
mod traffic;
mod verdict;

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf, process::ExitCode};

use clap::{Parser, ValueEnum as _};
use mimalloc::MiMalloc;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime::{Builder, Handle, Runtime};

use self::{
    fault::Fault,
    plan::Plan,
    processes::Postgres,
    stage::Bench,
    support::{Outcome, print},
    verdict::{HEAD, Row},
};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Causes faults, and prints what another tenant noticed of each.
#[derive(Debug, Parser)]
struct Args {
    /// Run each fault for a moment and judge no times.
    #[arg(long)]
    short: bool,
    /// Faults to cause, in this order [default: all].
    #[arg(long, value_delimiter = ',')]
    faults: Vec<Fault>,
    /// Server to start [default: oauth-clients beside the directory of this program].
    #[arg(long)]
    server: Option<PathBuf>,
}

fn main() -> Outcome<ExitCode> {
    let args = Args::parse();
    raise_descriptors()?;
    let traffic = Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("other tenant")
        .enable_all()
        .build()?;
    let bad = Runtime::new()?.block_on(run(args, traffic.handle().clone()))?;
    if bad == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    print(&format!("\n{bad} bad"));
    Ok(ExitCode::FAILURE)
}

/// Causes the faults, and returns the number of bad verdicts.
async fn run(args: Args, traffic: Handle) -> Outcome<usize> {
    let binary = match args.server {
        Some(server) => server,
        None => built_server()?,
    };
    let dir = tempfile::tempdir()?;
    // PostgreSQL's user reaches its directories below it.
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755))?;
    let plan = if args.short { Plan::SHORT } else { Plan::WHOLE };
    let postgres = Postgres::start(&dir.path().join("cluster"), plan.durability()).await?;
    let mut bench = Bench {
        plan,
        binary,
        dir: dir.path().to_owned(),
        traffic,
        postgres,
        stages: 0,
    };
    bench.migrate().await?;
    let faults = match args.faults.as_slice() {
        [] => Fault::value_variants(),
        chosen => chosen,
    };
    print(HEAD);
    let mut bad = 0;
    for fault in faults {
        for database in fault.databases() {
            let row = fault.observe(&mut bench, *database).await;
            let row = row.unwrap_or_else(|error| Row::failed((fault.name(), *database), &error.to_string()));
            print(row.text());
            bad += usize::from(!row.broken.is_empty());
        }
    }
    Ok(bad)
}

/// Returns the server that was built together with this program.
fn built_server() -> Outcome<PathBuf> {
    let program = std::env::current_exe()?;
    let profile = program.ancestors().nth(2).ok_or("this program has no place")?;
    let server = profile.join("oauth-clients");
    if !server.exists() {
        return Err(format!("{} is not built", server.display()).into());
    }
    Ok(server)
}

/// Allows this process as many descriptors as the system does.
fn raise_descriptors() -> Outcome<()> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit.maximum,
            ..limit
        },
    )?;
    Ok(())
}
