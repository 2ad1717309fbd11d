//! The limit of file descriptors of this process.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Returns the number of file descriptors that this process may have open.
pub(crate) fn limit() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Raises the limit to the most that the process may set, and returns it. A limit that cannot be raised stays as it is.
pub(crate) fn raise_limit() -> u64 {
    let limits = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limits.maximum,
        ..limits
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "limit of file descriptors not raised");
    }
    limit()
}
