//! Files that are read anew when they change. They are polled: a Kubernetes secret changes by the swap of a symbolic link
//! two directories up, which notifications about a file do not tell.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use thiserror::Error;
use tokio::time::MissedTickBehavior;

/// How often files are read.
const INTERVAL: Duration = Duration::from_secs(1);

/// The largest file that is read.
const MAX_BYTES: u64 = 1024 * 1024;

/// A file cannot be read.
#[derive(Debug, Error)]
#[error("{path} cannot be read")]
pub struct UnreadableFile {
    path: PathBuf,
    source: io::Error,
}

/// What a file holds.
///
/// # Errors
/// When it cannot be read.
pub fn read(path: &Path) -> Result<Vec<u8>, UnreadableFile> {
    read_small(path).map_err(|source| UnreadableFile {
        path: path.to_owned(),
        source,
    })
}

fn read_small(path: &Path) -> io::Result<Vec<u8>> {
    let metadata = fs::metadata(path)?;
    // Opening a pipe may wait for ever.
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    if metadata.len() > MAX_BYTES {
        return Err(io::Error::other("it is larger than 1 MiB"));
    }
    fs::read(path)
}

/// What a file holds, without holding up the runtime.
///
/// # Errors
/// When it cannot be read.
pub async fn read_now(path: &Path) -> Result<Vec<u8>, UnreadableFile> {
    let path = path.to_owned();
    match tokio::task::spawn_blocking(move || read(&path)).await {
        Ok(read) => read,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is shutting down.
            Err(_) => std::future::pending().await,
        },
    }
}

/// Waits until files hold something else than `last`, and returns it. `read_all` reads all of them that belong together.
///
/// What is seen twice in a row is taken, so that files which are being written are seldom seen half-way. Files that
/// cannot be read count as unchanged.
pub async fn changed<T: PartialEq + Send + 'static>(
    last: &T,
    read_all: impl Fn() -> Result<T, UnreadableFile> + Clone + Send + 'static,
) -> T {
    let mut interval = tokio::time::interval(INTERVAL);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut seen = None;
    let mut readable = true;
    loop {
        interval.tick().await;
        let Ok(read) = tokio::task::spawn_blocking(read_all.clone()).await else {
            // The runtime is shutting down.
            continue;
        };
        if let Err(error) = &read
            && readable
        {
            tracing::warn!(path = %error.path.display(), error = %error.source, "a file cannot be read");
        }
        readable = read.is_ok();
        match read {
            Ok(now) if now != *last && seen.as_ref() == Some(&now) => return now,
            now => seen = now.ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::Future,
        os::unix::fs::symlink,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
    };

    use tempfile::TempDir;

    use super::*;

    fn directory(files: &[(&str, &str)]) -> TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(dir.path().join(name), text).unwrap();
        }
        dir
    }

    #[test]
    fn what_has_no_end_or_is_large_is_not_read() {
        let dir = directory(&[("small", "a"), ("large", &"a".repeat(1 << 20 | 1))]);
        assert_eq!(read(&dir.path().join("small")).unwrap(), b"a");
        for path in [Path::new("/dev/zero"), dir.path(), &dir.path().join("large")] {
            read(path).expect_err("it is refused");
        }
    }

    fn change(path: PathBuf, last: &[u8]) -> impl Future<Output = Vec<u8>> {
        let last = last.to_vec();
        async move { changed(&last, move || read(&path)).await }
    }

    /// Lets some polls pass, and says that nothing was returned.
    async fn nothing_changes(change: &mut (impl Future<Output = Vec<u8>> + Unpin)) {
        let some_polls = tokio::time::timeout(INTERVAL * 4, change);
        some_polls.await.expect_err("nothing has changed");
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_file_holds_now_is_returned_once_it_changes() {
        let dir = directory(&[("a", "1")]);
        let path = dir.path().join("a");
        let mut change = Box::pin(change(path.clone(), b"1"));
        nothing_changes(&mut change).await;
        fs::write(path, "2").unwrap();
        assert_eq!(change.await, b"2");
    }

    #[tokio::test(start_paused = true)]
    async fn a_directory_may_be_swapped_under_the_files() {
        let (old, new) = (directory(&[("a", "1")]), directory(&[("a", "2")]));
        let dir = directory(&[]);
        let (data, next) = (dir.path().join("..data"), dir.path().join("..next"));
        symlink(old.path(), &data).unwrap();
        symlink("..data/a", dir.path().join("a")).unwrap();
        let mut change = Box::pin(change(dir.path().join("a"), b"1"));
        nothing_changes(&mut change).await;
        symlink(new.path(), &next).unwrap();
        fs::rename(next, data).unwrap();
        assert_eq!(change.await, b"2");
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_that_is_gone_is_unchanged_until_it_is_back() {
        let dir = directory(&[("a", "1")]);
        let path = dir.path().join("a");
        let mut change = Box::pin(change(path.clone(), b"1"));
        fs::remove_file(&path).unwrap();
        nothing_changes(&mut change).await;
        fs::write(&path, "1").unwrap();
        nothing_changes(&mut change).await;
        fs::write(&path, "2").unwrap();
        assert_eq!(change.await, b"2");
    }

    #[tokio::test(start_paused = true)]
    async fn what_still_changes_is_not_returned() {
        let dir = directory(&[("a", "1")]);
        let (path, reads, last) = (dir.path().join("a"), Arc::new(AtomicUsize::new(0)), Vec::new());
        let mut change = Box::pin(changed(&last, move || {
            let count = reads.fetch_add(1, Ordering::SeqCst);
            read(&path).map(|text| [text, count.min(6).to_string().into_bytes()].concat())
        }));
        nothing_changes(&mut change).await;
        assert_eq!(change.await, b"16", "once it has been the same twice");
    }
}
