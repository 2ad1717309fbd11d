//! The processes of an experiment. Each ends when its value is dropped.

mod disk;
mod postgres;
mod redis;
mod server;

use std::{fs, path::Path};

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Child;

pub(crate) use self::{
    disk::SmallDisk,
    postgres::{Postgres, Sql},
    redis::Redis,
    server::{Limits, Server},
};
use crate::support::Outcome;

/// Sends a signal to a process.
pub(crate) fn signal(pid: u32, signal: Signal) -> Outcome<()> {
    let pid = Pid::from_raw(i32::try_from(pid)?).ok_or("0 is not a process")?;
    Ok(kill_process(pid, signal)?)
}

/// Returns the id of a process that was not waited for.
fn id(child: &Child) -> Outcome<u32> {
    Ok(child.id().ok_or("the process has ended")?)
}

/// Returns the processes whose parent is a process.
fn children(parent: u32) -> Outcome<Vec<u32>> {
    let mut children = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // The process may have ended since.
        let Ok(stat) = fs::read_to_string(Path::new("/proc").join(name).join("stat")) else {
            continue;
        };
        // After the name in parentheses: the state and the parent (proc_pid_stat(5)).
        let parent_of = stat
            .rsplit_once(')')
            .and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse().ok());
        if parent_of == Some(parent) {
            children.push(pid);
        }
    }
    Ok(children)
}

/// Returns `true` if a program is on the path.
fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}
