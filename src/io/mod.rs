//! Blocking input and output that holds up neither the runtime nor the end of the process, and private files.

pub(crate) mod bounded;
pub(crate) mod descriptors;
pub(crate) mod file;
pub(crate) mod poll;
pub(crate) mod private;
