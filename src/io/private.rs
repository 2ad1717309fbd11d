//! Files and directories that only their owner can access.

use std::{
    fs::{DirBuilder, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::Path,
};

/// The permissions of a file: its owner may read and write it.
const FILE_MODE: u32 = 0o600;
/// The permissions of a directory: its owner may list and change it.
const DIR_MODE: u32 = 0o700;

/// Returns options that create a file for its owner alone. One that exists keeps its permissions.
pub(crate) fn file_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(FILE_MODE);
    options
}

/// Creates a directory for its owner alone, with its parents. One that exists keeps its permissions.
///
/// # Errors
/// Returns an error if it cannot be created.
pub(crate) fn create_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(DIR_MODE).create(path)
}
