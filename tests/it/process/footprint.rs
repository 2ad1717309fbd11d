//! The memory of a server that has no client in memory yet.

use crate::support::process::Served;

/// The most memory of an idle server that is not its code, in KiB. The code takes 18 MiB in a release build.
const MAX_IDLE_KIB: u64 = 16 * 1024;

#[tokio::test]
async fn an_idle_server_takes_little_memory() {
    let dir = tempfile::tempdir().unwrap();
    let served = Served::start(dir.path(), &[]).await;
    let taken = served.anonymous_memory_kib();
    assert!(taken < MAX_IDLE_KIB, "{taken} KiB");
}
