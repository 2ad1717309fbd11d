//! Small regular files, such as certificates and key sets.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use thiserror::Error;

const MIB: u64 = 1024 * 1024;

/// The size of the largest file that is read.
const MAX_BYTES: u64 = MIB;

/// A file cannot be read.
#[derive(Debug, Error)]
#[error("{path} cannot be read")]
pub struct UnreadableFile {
    pub(super) path: PathBuf,
    pub(super) source: io::Error,
}

/// Reads a file on the thread of the caller.
///
/// # Errors
/// Returns an error if the path does not lead to a regular file of at most 1 MiB that can be read.
pub(crate) fn read_blocking(path: &Path) -> Result<Vec<u8>, UnreadableFile> {
    read_small(path).map_err(|source| UnreadableFile {
        path: path.to_owned(),
        source,
    })
}

fn read_small(path: &Path) -> io::Result<Vec<u8>> {
    let metadata = fs::metadata(path)?;
    // Opening a pipe may block for ever.
    if !metadata.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    if metadata.len() > MAX_BYTES {
        return Err(io::Error::other(format!("larger than {} MiB", MAX_BYTES / MIB)));
    }
    fs::read(path)
}

/// Reads a file without blocking the runtime.
///
/// # Errors
/// Returns the errors of [`read_blocking`].
pub(crate) async fn read(path: &Path) -> Result<Vec<u8>, UnreadableFile> {
    let path = path.to_owned();
    without_blocking(move || read_blocking(&path)).await
}

/// Does blocking work without blocking the runtime. A panic of the work is one of the caller.
pub(super) async fn without_blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is shutting down.
            Err(_) => std::future::pending().await,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_small_regular_files_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let [small, large] = ["small", "large"].map(|name| dir.path().join(name));
        fs::write(&small, "a").unwrap();
        fs::write(&large, "a".repeat(1 << 20 | 1)).unwrap();
        assert_eq!(read_blocking(&small).unwrap(), b"a");
        for path in [Path::new("/dev/zero"), dir.path(), &large] {
            read_blocking(path).expect_err("it is refused");
        }
    }
}
