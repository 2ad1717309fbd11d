//! The outcome and the output of a tool.

use std::error::Error;

pub(crate) type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Prints a line of the result on standard output.
#[expect(clippy::print_stdout, reason = "the tools print their results")]
pub(crate) fn print(line: &str) {
    println!("{line}");
}
