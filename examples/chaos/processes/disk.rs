//! A disk that can be filled.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use tokio::process::Command;

use crate::support::Outcome;

/// A small file system in memory, which is unmounted when this is dropped.
pub(crate) struct SmallDisk {
    pub(crate) dir: PathBuf,
}

impl SmallDisk {
    /// Mounts a file system, or returns `None` if this process may not.
    pub(crate) async fn mount(dir: &Path, mib: u32) -> Outcome<Option<Self>> {
        fs::create_dir(dir)?;
        let options = format!("size={mib}m,mode=755");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(dir)
            .output()
            .await?;
        let mounted = mounted.status.success();
        Ok(mounted.then(|| Self { dir: dir.to_owned() }))
    }

    /// Fills what is left of it.
    pub(crate) fn fill(&self) -> Outcome<()> {
        let mut balloon = File::create(self.balloon())?;
        balloon.set_permissions(fs::Permissions::from_mode(0o600))?;
        loop {
            match balloon.write_all(&[0; 4_096]) {
                Err(error) if error.kind() == io::ErrorKind::StorageFull => return Ok(()),
                outcome => outcome?,
            }
        }
    }

    /// Makes room again.
    pub(crate) fn free(&self) -> Outcome<()> {
        Ok(fs::remove_file(self.balloon())?)
    }

    fn balloon(&self) -> PathBuf {
        self.dir.join("balloon")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Processes that are being killed may still have files open there.
        let _unmounted = std::process::Command::new("umount")
            .arg("--lazy")
            .arg(&self.dir)
            .status();
    }
}
