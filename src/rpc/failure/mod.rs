//! Errors as callers see them, and their causes as the log does.

mod cause;
mod from_domain;
mod from_store;
mod status;

use std::{error::Error, time::Duration};

use http::{HeaderName, HeaderValue, header::RETRY_AFTER};
use tonic_types::FieldViolation;

pub(crate) use self::cause::Cause;
use crate::pb::v1::ErrorReason;

/// The time after which a caller should retry a request that the database could not serve.
const RETRY_UNAVAILABLE: Duration = Duration::from_secs(1);

/// The most violations that a response names. A request can have more than anybody would read.
const MAX_VIOLATIONS: usize = 1_000;
/// The longest text about a violation. Text that a caller sent is shortened to it.
const MAX_TEXT_CHARS: usize = 300;

/// An error for the caller of a method.
///
/// It becomes a [`tonic::Status`], from which the REST transport makes its response. Its cause goes to the log only.
#[derive(Debug)]
pub struct Failure {
    reason: ErrorReason,
    detail: String,
    violations: Vec<FieldViolation>,
    retry_after: Option<Duration>,
    headers: Vec<(HeaderName, HeaderValue)>,
    cause: Option<Cause>,
}

impl Failure {
    /// Creates a failure from a reason and a text for the caller.
    pub fn new(reason: ErrorReason, detail: impl Into<String>) -> Self {
        Self {
            reason,
            detail: shorten(detail.into()),
            violations: Vec::new(),
            retry_after: None,
            headers: Vec::new(),
            cause: None,
        }
    }

    /// Creates a failure of one field.
    pub fn field(reason: ErrorReason, field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::fields([(reason, field.into(), detail.into())])
    }

    /// Creates a failure of several fields, of which it names the first thousand. The reason of the first field is that
    /// of the failure.
    pub fn fields(fields: impl IntoIterator<Item = (ErrorReason, String, String)>) -> Self {
        let mut reason = None;
        let mut violations: Vec<FieldViolation> = Vec::new();
        let mut count = 0_usize;
        for (field_reason, field, description) in fields {
            count += 1;
            reason.get_or_insert(field_reason);
            if violations.len() < MAX_VIOLATIONS {
                violations.push(FieldViolation {
                    field: shorten(field),
                    description: shorten(description),
                    reason: field_reason.name().to_owned(),
                    localized_message: None,
                });
            }
        }
        let first = violations
            .first()
            .map(|first| format!("{}: {}", first.field, first.description));
        let others = match count.saturating_sub(1) {
            0 => String::new(),
            others => format!("; and {others} more"),
        };
        Self {
            violations,
            ..Self::new(
                reason.unwrap_or(ErrorReason::InvalidField),
                first.unwrap_or_default() + &others,
            )
        }
    }

    /// Creates a failure that no caller can do anything about: a bug, or a failure of the operating system.
    pub(crate) fn internal(cause: impl Error + Send + Sync + 'static) -> Self {
        Self::unexpected(Cause::Internal(Box::new(cause)))
    }

    /// Creates a failure of a row that this service did not write as it is.
    pub(crate) fn corrupt_record(cause: impl Error + Send + Sync + 'static) -> Self {
        Self::unexpected(Cause::CorruptRecord(Box::new(cause)))
    }

    fn unexpected(cause: Cause) -> Self {
        Self::new(
            ErrorReason::Internal,
            "an unexpected error occurred: the log says more under the request id",
        )
        .caused_by(cause)
    }

    /// Creates a failure of the database, which a caller may retry.
    pub(crate) fn unavailable(cause: impl Error + Send + Sync + 'static) -> Self {
        Self::new(
            ErrorReason::Unavailable,
            "the service is temporarily unavailable, try again later",
        )
        .retry_after(RETRY_UNAVAILABLE)
        .caused_by(Cause::Unavailable(Box::new(cause)))
    }

    /// Adds the cause, for the log.
    #[must_use]
    pub(crate) fn caused_by(mut self, cause: Cause) -> Self {
        self.cause = Some(cause);
        self
    }

    /// Adds when to retry: as `RetryInfo`, and as the header `retry-after` in seconds (RFC 9110 section 10.2.3).
    #[must_use]
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.retry_after = Some(delay);
        self.header(RETRY_AFTER, HeaderValue::from(whole_seconds(delay)))
    }

    /// Adds a header to the response, on both transports.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }
}

/// Rounds a time up to seconds, so that a caller that waits that long need not wait again.
pub(crate) fn whole_seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

/// Cuts a text off at the longest length that is sent.
fn shorten(text: String) -> String {
    match text.char_indices().nth(MAX_TEXT_CHARS) {
        Some((end, _)) => text.get(..end).unwrap_or_default().to_owned() + "…",
        None => text,
    }
}
