//! The real binary.

use std::{
    fs::{self, File},
    io::{PipeReader, PipeWriter, Write as _},
    path::{Path, PathBuf},
    process::Stdio,
    thread,
    time::Duration,
};

use oauth_clients::auth::dev_key::{DevKey, DevToken, all_scopes};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStderr, ChildStdout, Command},
};

use super::caller::Transports;

/// The output and the exit code of a command.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

const BINARY: &str = env!("CARGO_BIN_EXE_oauth-clients");

/// Returns a command of the binary with an empty environment.
pub(crate) fn command(args: &[&str]) -> Command {
    alone(Command::new(BINARY), args)
}

/// Returns a command of the binary whose files are limited to so many KiB. The limit is soft: `prlimit` lifts it.
fn limited_command(max_file_kib: u32, args: &[&str]) -> Command {
    let blocks = max_file_kib * 2;
    // A write beyond the limit fails instead of ending the process.
    shell_command(&format!("ulimit -S -f {blocks}; trap '' XFSZ"), args)
}

/// Returns a command of the binary that a shell starts after some commands of its own.
fn shell_command(before: &str, args: &[&str]) -> Command {
    let mut shell = Command::new("/bin/sh");
    let script = format!("{before}; exec \"$0\" \"$@\"");
    shell.args(["-c", script.as_str(), BINARY]);
    alone(shell, args)
}

fn alone(mut command: Command, args: &[&str]) -> Command {
    command
        .args(args)
        .env_clear()
        .kill_on_drop(true)
        .stdin(Stdio::null());
    command
}

/// Runs a command to its end.
pub(crate) async fn run(args: &[&str]) -> Ended {
    let output = command(args).output().await.unwrap();
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Returns the arguments of a development server on free ports.
pub(crate) fn serve_dev(data_dir: &Path) -> [&str; 8] {
    [
        "serve",
        "--dev",
        "--grpc-addr",
        "127.0.0.1:0",
        "--rest-addr",
        "127.0.0.1:0",
        "--data-dir",
        data_dir.to_str().unwrap(),
    ]
}

/// Returns a pipe that is full until it is read.
pub(crate) async fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, writer) = std::io::pipe().unwrap();
    let mut filling = writer.try_clone().unwrap();
    thread::spawn(move || while filling.write_all(&[b'.'; 1024]).is_ok() {});
    tokio::time::sleep(Duration::from_millis(100)).await;
    (reader, writer)
}

/// Sends SIGTERM to a process.
pub(crate) async fn terminate(child: &Child) {
    let pid = child.id().expect("it runs").to_string();
    let kill = Command::new("kill").args(["-TERM", &pid]).status().await.unwrap();
    assert!(kill.success());
}

/// Waits until a process has ended, and returns its exit code.
pub(crate) async fn exit_code(child: &mut Child) -> Option<i32> {
    let ended = tokio::time::timeout(Duration::from_secs(30), child.wait()).await;
    ended.expect("it ends").unwrap().code()
}

fn said(greeting: &str, prefix: &str) -> String {
    let line = greeting.lines().find_map(|line| line.strip_prefix(prefix));
    line.unwrap_or_else(|| panic!("no {prefix:?} in {greeting}"))
        .to_owned()
}

/// `serve --dev`, listening. It is killed when this is dropped.
pub(crate) struct Served {
    child: Child,
    stdout: Lines<BufReader<ChildStdout>>,
    data_dir: PathBuf,
    pub(crate) greeting: String,
    pub(crate) grpc: String,
    pub(crate) rest: String,
    pub(crate) token: String,
}

impl Served {
    pub(crate) async fn start(data_dir: &Path, args: &[&str]) -> Self {
        Self::start_with_env(data_dir, args, &[]).await
    }

    pub(crate) async fn start_with_env(data_dir: &Path, args: &[&str], env: &[(&str, &str)]) -> Self {
        let log = File::create(data_dir.join("log")).unwrap();
        let mut command = command(&[&serve_dev(data_dir), args].concat());
        command.envs(env.iter().copied());
        Self::spawn(data_dir, command, log.into()).await
    }

    /// Starts it with files that are limited to so many KiB.
    pub(crate) async fn start_with_limit(data_dir: &Path, max_file_kib: u32, args: &[&str]) -> Self {
        let log = File::create(data_dir.join("log")).unwrap();
        let args = [&serve_dev(data_dir), args].concat();
        Self::spawn(data_dir, limited_command(max_file_kib, &args), log.into()).await
    }

    /// Starts it after commands of a shell, which may set limits of the process.
    pub(crate) async fn start_after(data_dir: &Path, before: &str, args: &[&str]) -> Self {
        let log = File::create(data_dir.join("log")).unwrap();
        let args = [&serve_dev(data_dir), args].concat();
        Self::spawn(data_dir, shell_command(before, &args), log.into()).await
    }

    /// Starts the server with its log in a pipe, instead of the file that `log()` reads.
    pub(crate) async fn start_with_pipe(
        data_dir: &Path,
        args: &[&str],
        env: &[(&str, &str)],
    ) -> (Self, ChildStderr) {
        let mut command = command(&[&serve_dev(data_dir), args].concat());
        command.envs(env.iter().copied());
        let mut served = Self::spawn(data_dir, command, Stdio::piped()).await;
        let log = served.child.stderr.take().unwrap();
        (served, log)
    }

    async fn spawn(data_dir: &Path, mut command: Command, log: Stdio) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut greeting = String::new();
        while let Some(line) = stdout.next_line().await.unwrap() {
            greeting += &line;
            greeting.push('\n');
            // The last line of the greeting.
            if line.starts_with("grpcurl ") {
                break;
            }
        }
        Self {
            grpc: said(&greeting, "gRPC on "),
            rest: said(&greeting, "REST on "),
            token: said(&greeting, "export TOKEN="),
            child,
            stdout,
            data_dir: data_dir.to_owned(),
            greeting,
        }
    }

    /// Returns the rest of the line of the greeting with a prefix.
    pub(crate) fn said(&self, prefix: &str) -> String {
        said(&self.greeting, prefix)
    }

    pub(crate) fn transports(&self) -> Transports {
        Transports::at(self.rest.clone(), format!("http://{}", self.grpc))
    }

    /// Returns a token with all scopes in a tenant.
    pub(crate) fn token_of(&self, tenant: &str) -> String {
        let token = DevToken {
            tenant,
            subject: "somebody",
            scope: all_scopes(),
            lifetime: Duration::from_mins(10),
        };
        DevKey::load_or_create(&self.data_dir)
            .unwrap()
            .sign(&token)
            .unwrap()
    }

    /// Returns the log so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.data_dir.join("log")).unwrap()
    }

    /// Returns its output after the greeting until it ends.
    pub(crate) async fn rest_of_stdout(&mut self) -> String {
        let mut rest = String::new();
        while let Some(line) = self.stdout.next_line().await.unwrap() {
            rest += &line;
            rest.push('\n');
        }
        rest
    }

    /// Sends SIGTERM to the server.
    pub(crate) async fn terminate(&self) {
        terminate(&self.child).await;
    }

    /// Returns the memory of the server that is not backed by files, in KiB.
    pub(crate) fn anonymous_memory_kib(&self) -> u64 {
        let pid = self.child.id().expect("it runs");
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let anonymous = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let number = anonymous.and_then(|text| text.trim().strip_suffix(" kB"));
        number.unwrap().parse().unwrap()
    }

    /// Lifts the limit on the size of its files.
    pub(crate) async fn lift_limit(&self) {
        let pid = self.child.id().expect("it runs").to_string();
        let lift = ["--pid", &pid, "--fsize=unlimited:"];
        let lifted = Command::new("prlimit").args(lift).status().await.unwrap();
        assert!(lifted.success());
    }

    /// Kills the server, as a crash would.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Waits until the server has ended, and returns its exit code.
    pub(crate) async fn exit_code(&mut self) -> Option<i32> {
        exit_code(&mut self.child).await
    }
}
