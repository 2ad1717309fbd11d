//! The binary: everything is in the library.

use std::{process::ExitCode, time::Duration};

/// How long what cannot be cut off, such as reading a file over a network that is gone, may hold up the end.
const LAST_WORDS: Duration = Duration::from_secs(1);

fn main() -> std::io::Result<ExitCode> {
    let runtime = tokio::runtime::Runtime::new()?;
    let code = runtime.block_on(oauth_clients::cli::run(std::env::args_os().collect()));
    runtime.shutdown_timeout(LAST_WORDS);
    Ok(code)
}
