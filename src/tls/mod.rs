//! TLS out of PEM files: of the listeners, which read their files again when they change, and of the health probe.

mod error;
mod files;
mod listener;
mod pem;
mod probe;
mod server_config;

pub use self::{error::TlsError, files::TlsFiles};
pub(crate) use self::{
    listener::{CurrentTls, ListenerTls},
    probe::{ClientFiles, ProbeTls},
};
