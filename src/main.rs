//! The binary: everything is in the library.

use std::{process::ExitCode, time::Duration};

use mimalloc::MiMalloc;

/// A request makes many short-lived allocations, some of which another thread frees. It takes no huge pages, as an idle
/// server would hold one that it hardly uses.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// The maximum time that the end of the process waits for blocking work, such as a read from a network file system that is
/// gone.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(1);

fn main() -> std::io::Result<ExitCode> {
    let runtime = tokio::runtime::Runtime::new()?;
    let code = runtime.block_on(oauth_clients::cli::run(std::env::args_os().collect()));
    runtime.shutdown_timeout(SHUTDOWN_TIMEOUT);
    Ok(code)
}
