//! Programs that tests start, where they are installed.

use std::{
    env,
    io::Write as _,
    process::{Command, Stdio},
    sync::Once,
};

/// Returns `true` if a program is installed. If it is not, its tests are skipped, which is printed once, unless an
/// environment variable requires it.
pub(crate) fn is_installed(program: &str, required_by: &str, said: &Once) -> bool {
    let version = Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    if version.is_ok() {
        return true;
    }
    assert!(env::var_os(required_by).is_none(), "{program} is not installed");
    said.call_once(|| {
        // The output of `eprintln!` is shown for failed tests only.
        let text = format!("tests left out: {program} is not installed");
        let mut stderr = std::io::stderr();
        writeln!(stderr, "{text}").unwrap();
    });
    false
}
