//! The causes of failures, for the log.

use std::error::Error;

use thiserror::Error;

/// The cause of a failure that its caller cannot mend. It is the source of the failure's [`tonic::Status`].
#[derive(Debug, Error)]
pub(crate) enum Cause {
    /// Something that this service depends on cannot be reached.
    #[error(transparent)]
    Unavailable(Box<dyn Error + Send + Sync>),
    /// A row that does not describe a client.
    #[error(transparent)]
    CorruptRecord(Box<dyn Error + Send + Sync>),
    /// A bug, or a failure of the operating system.
    #[error(transparent)]
    Internal(Box<dyn Error + Send + Sync>),
}
