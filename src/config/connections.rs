//! The limits of connections.

use std::{num::NonZeroUsize, time::Duration};

/// The default of [`ConnectionLimits::max_age`].
pub(crate) const DEFAULT_MAX_CONNECTION_AGE: Duration = Duration::from_hours(1);
/// The least value of [`ConnectionLimits::max_age`] that the command line allows.
pub(crate) const MIN_MAX_CONNECTION_AGE: Duration = Duration::from_mins(1);

/// The limits of the connections of both transports.
#[derive(Debug, Clone)]
pub struct ConnectionLimits {
    /// The maximum number of open connections; `None` for 90 % of the file descriptors.
    pub max_open: Option<NonZeroUsize>,
    /// The age at which a connection takes no more requests. Each connection has one up to 10 % shorter or longer.
    pub max_age: Duration,
    /// The time after which a connection of HTTP/2 without requests is closed. It may take half as long again.
    pub idle_timeout: Duration,
    /// The maximum time for which a peer may take nothing of a response.
    pub write_timeout: Duration,
    /// The maximum duration of a stream of the reflection service.
    pub reflection_timeout: Duration,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            max_open: None,
            max_age: DEFAULT_MAX_CONNECTION_AGE,
            idle_timeout: Duration::from_mins(5),
            write_timeout: Duration::from_secs(10),
            reflection_timeout: Duration::from_secs(30),
        }
    }
}
