//! Blocking input and output that holds up neither the runtime nor the end of the process.

pub(crate) mod bounded;
pub(crate) mod file;
pub(crate) mod poll;
