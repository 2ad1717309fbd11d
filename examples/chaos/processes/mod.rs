//! The processes of an experiment. Each ends when its value is dropped.

mod disk;
mod postgres;
mod redis;
mod server;

use std::fs;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Child;

pub(crate) use self::{
    disk::SmallDisk,
    postgres::{Durability, Postgres, Sql},
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
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        if stat(pid).is_some_and(|(_, parent_of)| parent_of == parent) {
            children.push(pid);
        }
    }
    Ok(children)
}

/// Returns `true` unless a process has ended, even if its parent has not waited for it yet.
fn is_running(pid: u32) -> bool {
    stat(pid).is_some_and(|(state, _)| state != "Z")
}

/// Returns the state and the parent of a process, which follow its name in parentheses (`proc_pid_stat(5)`).
fn stat(pid: u32) -> Option<(String, u32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?))
}

/// Returns `true` if a program is on the path.
fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}
