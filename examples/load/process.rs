//! What this process takes of the machine, the callers included.

use std::{fs, time::Duration};

use crate::support::Outcome;

/// The ticks of Linux's clock of processes in a second.
const TICKS_PER_SECOND: u64 = 100;
/// The place of the user time in `/proc/self/stat`, behind the name of the program. That of the system follows.
const USER_TIME: usize = 11;

/// Returns the memory in MiB.
pub(crate) fn resident() -> Outcome<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    Ok(kilobytes.ok_or("the memory of the process is unknown")? / 1_024)
}

/// Returns the processor time so far.
pub(crate) fn processor_time() -> Outcome<Duration> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = stat
        .rsplit_once(") ")
        .ok_or("the times of the process are unknown")?;
    let times = fields.split(' ').skip(USER_TIME).take(2).map(str::parse::<u64>);
    let ticks: u64 = times.sum::<Result<u64, _>>()?;
    Ok(Duration::from_millis(ticks * 1_000 / TICKS_PER_SECOND))
}
