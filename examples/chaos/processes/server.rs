//! A registry: `oauth-clients serve --dev`.

use std::{
    fs::{self, OpenOptions},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use oauth_clients::auth::dev_key::{DevKey, DevToken, all_scopes};
use rustix::process::Signal;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    time::timeout,
};

use super::{id, signal};
use crate::support::Outcome;

const TOKEN_LIFETIME: Duration = Duration::from_hours(24);
const START_TIMEOUT: Duration = Duration::from_mins(1);

/// The limits of the process; `None` for those of this process.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Limits {
    pub(crate) descriptors: Option<u32>,
    /// Writes fail beyond the limit of [`Server::limit_files`], instead of ending the process.
    pub(crate) survives_full_files: bool,
}

/// A running registry, which is killed when this is dropped. Replicas share a directory with their key.
pub(crate) struct Server {
    pub(crate) grpc: SocketAddr,
    pub(crate) rest: SocketAddr,
    binary: PathBuf,
    args: Vec<String>,
    limits: Limits,
    dir: PathBuf,
    log: PathBuf,
    child: Child,
}

impl Server {
    /// Starts a server on free ports.
    pub(crate) async fn start(
        binary: &Path,
        dir: &Path,
        name: &str,
        args: Vec<String>,
        limits: Limits,
    ) -> Outcome<Self> {
        let log = dir.join(format!("{name}.log"));
        let any: SocketAddr = "127.0.0.1:0".parse()?;
        let (child, [grpc, rest]) = spawn(binary, dir, &log, [any, any], &args, limits).await?;
        Ok(Self {
            grpc,
            rest,
            binary: binary.to_owned(),
            args,
            limits,
            dir: dir.to_owned(),
            log,
            child,
        })
    }

    /// Starts a killed server again, on the same ports.
    pub(crate) async fn restart(&mut self) -> Outcome<()> {
        let addrs = [self.grpc, self.rest];
        let started = spawn(&self.binary, &self.dir, &self.log, addrs, &self.args, self.limits);
        self.child = started.await?.0;
        Ok(())
    }

    pub(crate) async fn kill(&mut self) -> Outcome<()> {
        Ok(self.child.kill().await?)
    }

    pub(crate) fn signal(&self, name: Signal) -> Outcome<()> {
        signal(self.id()?, name)
    }

    /// Sets the size in bytes beyond which no file can be written, or `unlimited`.
    pub(crate) async fn limit_files(&self, size: &str) -> Outcome<()> {
        let (pid, limit) = (self.id()?.to_string(), format!("--fsize={size}:"));
        let limited = Command::new("prlimit")
            .args(["--pid", pid.as_str(), limit.as_str()])
            .status()
            .await?;
        limited
            .success()
            .then_some(())
            .ok_or_else(|| "prlimit failed".into())
    }

    /// Returns the memory that it uses, in MiB.
    pub(crate) fn memory_mib(&self) -> Outcome<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id()?))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().next());
        Ok(kib.ok_or("no VmRSS")?.parse::<u64>()? / 1_024)
    }

    /// Returns the number of its open descriptors.
    pub(crate) fn descriptors(&self) -> Outcome<usize> {
        Ok(fs::read_dir(format!("/proc/{}/fd", self.id()?))?.count())
    }

    /// Returns the `authorization` of a caller with every scope in a tenant.
    pub(crate) fn authorization(&self, tenant: &str, subject: &str) -> Outcome<String> {
        let token = DevKey::load_or_create(&self.dir)?.sign(&DevToken {
            tenant,
            subject,
            scope: all_scopes(),
            lifetime: TOKEN_LIFETIME,
        })?;
        Ok(format!("Bearer {token}"))
    }

    /// Returns the number of threads and tasks that panicked, according to its log.
    pub(crate) fn panics(&self) -> Outcome<usize> {
        let log = fs::read(&self.log)?;
        Ok(String::from_utf8_lossy(&log).matches("thread panicked").count())
    }

    fn id(&self) -> Outcome<u32> {
        id(&self.child)
    }
}

/// Starts the process, and returns it and its addresses when it listens.
async fn spawn(
    binary: &Path,
    dir: &Path,
    log: &Path,
    [grpc, rest]: [SocketAddr; 2],
    args: &[String],
    limits: Limits,
) -> Outcome<(Child, [SocketAddr; 2])> {
    let log = OpenOptions::new().create(true).append(true).open(log)?;
    let mut command = limited(binary, limits);
    command
        .args([
            "serve",
            "--dev",
            "--migrate",
            "--log-format",
            "json",
            "--data-dir",
        ])
        .arg(dir)
        .args(["--grpc-addr", &grpc.to_string(), "--rest-addr", &rest.to_string()])
        .args(args)
        .env_clear()
        .kill_on_drop(true)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log);
    let mut child = command.spawn()?;
    let stdout = child.stdout.take().ok_or("no standard output")?;
    let mut lines = BufReader::new(stdout).lines();
    let (mut grpc, mut rest) = (None, None);
    let greeted = async {
        while let Some(line) = lines.next_line().await? {
            if let Some(addr) = line.strip_prefix("gRPC on ") {
                grpc = Some(addr.parse()?);
            }
            if let Some(addr) = line.strip_prefix("REST on http://") {
                rest = Some(addr.parse()?);
            }
            // The last line of the greeting.
            if line.starts_with("grpcurl ") {
                break;
            }
        }
        Outcome::Ok(())
    };
    timeout(START_TIMEOUT, greeted).await??;
    match (grpc, rest) {
        (Some(grpc), Some(rest)) => Ok((child, [grpc, rest])),
        _ => Err("the server did not start".into()),
    }
}

fn limited(binary: &Path, limits: Limits) -> Command {
    let descriptors = limits
        .descriptors
        .map_or(String::new(), |descriptors| format!("ulimit -n {descriptors}; "));
    let full_files = if limits.survives_full_files {
        "trap '' XFSZ; "
    } else {
        ""
    };
    let mut shell = Command::new("/bin/sh");
    shell
        .args(["-c", &format!("{descriptors}{full_files}exec \"$0\" \"$@\"")])
        .arg(binary);
    shell
}
