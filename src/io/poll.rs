//! Files that are read again when they change. They are polled: a Kubernetes secret is updated by the swap of a symbolic
//! link two directories up, which is not among the notifications about a file.

use std::time::Duration;

use tokio::time::MissedTickBehavior;

use super::file::{UnreadableFile, without_blocking};

/// The interval at which files are read.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Waits until files differ from `last`, and returns their new state. `read_all` reads all files that belong together.
///
/// A state counts once it was read twice in a row, so that files are seldom taken while they are being written. Files
/// that cannot be read count as unchanged.
pub(crate) async fn changed<T: PartialEq + Send + 'static>(
    last: &T,
    read_all: impl Fn() -> Result<T, UnreadableFile> + Clone + Send + 'static,
) -> T {
    let mut interval = tokio::time::interval(POLL_INTERVAL);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut previous = None;
    let mut readable = true;
    loop {
        interval.tick().await;
        let read = without_blocking(read_all.clone()).await;
        if let Err(error) = &read
            && readable
        {
            tracing::warn!(path = %error.path.display(), error = %error.source, "file not readable");
        }
        readable = read.is_ok();
        match read {
            Ok(current) if current != *last && previous.as_ref() == Some(&current) => return current,
            current => previous = current.ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        future::Future,
        os::unix::fs::symlink,
        path::PathBuf,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
    };

    use tempfile::TempDir;

    use super::*;
    use crate::io::file::read_blocking;

    fn directory(files: &[(&str, &str)]) -> TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(dir.path().join(name), text).unwrap();
        }
        dir
    }

    fn change(path: PathBuf, last: &[u8]) -> impl Future<Output = Vec<u8>> {
        let last = last.to_vec();
        async move { changed(&last, move || read_blocking(&path)).await }
    }

    /// Asserts that no change is returned for a few polls.
    async fn nothing_changes(change: &mut (impl Future<Output = Vec<u8>> + Unpin)) {
        let some_polls = tokio::time::timeout(POLL_INTERVAL * 4, change);
        some_polls.await.expect_err("nothing has changed");
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_of_a_file_is_returned() {
        let dir = directory(&[("a", "1")]);
        let path = dir.path().join("a");
        let mut change = Box::pin(change(path.clone(), b"1"));
        nothing_changes(&mut change).await;
        fs::write(path, "2").unwrap();
        assert_eq!(change.await, b"2");
    }

    #[tokio::test(start_paused = true)]
    async fn a_swap_of_a_directory_is_a_change() {
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
    async fn a_deleted_file_counts_as_unchanged() {
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
    async fn a_file_that_is_still_being_written_is_not_returned() {
        let dir = directory(&[("a", "1")]);
        let (path, reads, last) = (dir.path().join("a"), Arc::new(AtomicUsize::new(0)), Vec::new());
        let mut change = Box::pin(changed(&last, move || {
            let count = reads.fetch_add(1, Ordering::SeqCst);
            read_blocking(&path).map(|text| [text, count.min(6).to_string().into_bytes()].concat())
        }));
        nothing_changes(&mut change).await;
        assert_eq!(change.await, b"16", "once it has been the same twice");
    }
}
