//! The one place where an error becomes a gRPC status.

use std::{error::Error, time::Duration};

use http::{HeaderName, HeaderValue};
use tonic::{
    Code, Status,
    metadata::{MetadataKey, MetadataMap, MetadataValue},
};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt as _};

use crate::{
    domain::{
        client::ChangeError,
        cursor::InvalidCursor,
        filter::InvalidFilter,
        ids::InvalidClientId,
        jwk::JwkRule,
        page::InvalidLimit,
        sort::InvalidSort,
        violation::{Rule, Violations},
    },
    error_chain::error_chain,
    pb::{self, v1::ErrorReason},
    store::{StoreError, UpdateError},
};

/// How long a caller should wait before trying again what the database could not do.
const RETRY_UNAVAILABLE: Duration = Duration::from_secs(1);

/// How many broken rules an answer names. A request can break more than anybody would read.
const MAX_VIOLATIONS: usize = 1_000;
/// The longest text about one of them. What a caller sent comes back shortened.
const MAX_TEXT_CHARS: usize = 300;

/// Why a call fails, for the caller. It becomes a [`Status`], from which the REST transport makes its answer.
#[derive(Debug)]
pub struct Failure {
    reason: ErrorReason,
    detail: String,
    violations: Vec<FieldViolation>,
    retry_after: Option<Duration>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Failure {
    /// A failure with a text about this call, which says nothing that the caller may not know.
    pub fn new(reason: ErrorReason, detail: impl Into<String>) -> Self {
        Self {
            reason,
            detail: shorten(detail.into()),
            violations: Vec::new(),
            retry_after: None,
            headers: Vec::new(),
        }
    }

    /// A failure of one field.
    pub fn field(reason: ErrorReason, field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::fields([(reason, field.into(), detail.into())])
    }

    /// A failure of several fields, of which the first thousand are named. The first says the reason of the whole.
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

    /// A bug. Its cause goes to the log, under the request id of the current span, and nowhere else.
    pub fn internal(cause: &(dyn Error + 'static)) -> Self {
        tracing::error!(cause = %error_chain(cause), "a call failed by a bug");
        Self::new(
            ErrorReason::Internal,
            "an unexpected error occurred: the log says more under the request id",
        )
    }

    /// The database cannot be reached. The cause goes to the log.
    pub fn unavailable(cause: &(dyn Error + 'static)) -> Self {
        tracing::warn!(cause = %error_chain(cause), "the database did not answer");
        Self::new(
            ErrorReason::Unavailable,
            "the service is temporarily unavailable, try again later",
        )
        .retry_after(RETRY_UNAVAILABLE)
    }

    /// Tells the caller when to try again: as `RetryInfo` and as the header `retry-after` in seconds (RFC 9110 section
    /// 10.2.3).
    #[must_use]
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.retry_after = Some(delay);
        self.header(http::header::RETRY_AFTER, HeaderValue::from(whole_seconds(delay)))
    }

    /// Adds a header to the answer, on both transports.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }
}

/// A time in seconds, rounded up, so that who waits that long need not wait again.
pub fn whole_seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

/// A text of which what is too long is cut off.
fn shorten(text: String) -> String {
    match text.char_indices().nth(MAX_TEXT_CHARS) {
        Some((end, _)) => text.get(..end).unwrap_or_default().to_owned() + "…",
        None => text,
    }
}

impl From<Failure> for Status {
    fn from(failure: Failure) -> Self {
        let name = failure.reason.name();
        let code = pb::protos()
            .ok()
            .and_then(|protos| protos.reason(name))
            .map_or(Code::Internal, |policy| policy.code);
        let mut details = ErrorDetails::with_error_info(name, pb::ERROR_DOMAIN, [] as [(String, String); 0]);
        if !failure.violations.is_empty() {
            details.set_bad_request(failure.violations);
        }
        if failure.retry_after.is_some() {
            details.set_retry_info(failure.retry_after);
        }
        let mut metadata = MetadataMap::new();
        for (name, value) in failure.headers {
            // Header names of this server are metadata keys, and their values visible ASCII.
            if let (Ok(key), Ok(value)) = (
                MetadataKey::from_bytes(name.as_str().as_bytes()),
                MetadataValue::try_from(value.as_bytes()),
            ) {
                metadata.insert(key, value);
            }
        }
        Self::with_error_details_and_metadata(code, failure.detail, details, metadata)
    }
}

impl From<Violations> for Failure {
    fn from(violations: Violations) -> Self {
        Self::fields(violations.iter().map(|violation| {
            (
                reason(&violation.rule),
                violation.field.clone(),
                violation.rule.to_string(),
            )
        }))
    }
}

fn reason(rule: &Rule) -> ErrorReason {
    match rule {
        Rule::Jwk(JwkRule::PrivateMember) => ErrorReason::PrivateKeyMaterial,
        Rule::Jwk(JwkRule::UnknownMember) => ErrorReason::UnknownField,
        Rule::Patch(_) => ErrorReason::InvalidPatch,
        Rule::Operation { rule, .. } => reason(rule),
        _ => ErrorReason::InvalidField,
    }
}

impl From<ChangeError> for Failure {
    fn from(error: ChangeError) -> Self {
        let reason = match error {
            ChangeError::Invalid(violations) => return violations.into(),
            ChangeError::SecretLimitReached => ErrorReason::SecretLimitReached,
            ChangeError::SecretsNotSupported => ErrorReason::SecretsNotSupported,
            ChangeError::SecretNotFound => ErrorReason::SecretNotFound,
        };
        Self::new(reason, error.to_string())
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::ClientNotFound => Self::client_not_found(),
            StoreError::ConcurrentChange => Self::new(
                ErrorReason::ConcurrentChange,
                "another change of the client won: try again",
            ),
            StoreError::Unavailable(_) | StoreError::TimedOut | StoreError::Unsuitable(_) => {
                Self::unavailable(&error)
            }
            StoreError::Corrupt(_) | StoreError::Database(_) => Self::internal(&error),
        }
    }
}

impl From<UpdateError<ChangeError>> for Failure {
    fn from(error: UpdateError<ChangeError>) -> Self {
        match error {
            UpdateError::Refused(error) => error.into(),
            UpdateError::Store(error) => error.into(),
        }
    }
}

impl Failure {
    fn client_not_found() -> Self {
        Self::new(ErrorReason::ClientNotFound, "there is no such client")
    }
}

impl From<InvalidClientId> for Failure {
    fn from(_: InvalidClientId) -> Self {
        // No client has such an id, and that is all that the caller needs to know.
        Self::client_not_found()
    }
}

impl From<InvalidLimit> for Failure {
    fn from(error: InvalidLimit) -> Self {
        Self::field(ErrorReason::InvalidLimit, "limit", error.to_string())
    }
}

impl From<InvalidFilter> for Failure {
    fn from(error: InvalidFilter) -> Self {
        Self::field(ErrorReason::InvalidFilter, "filter", error.to_string())
    }
}

impl From<InvalidSort> for Failure {
    fn from(error: InvalidSort) -> Self {
        Self::field(ErrorReason::InvalidSort, "sort", error.to_string())
    }
}

impl Failure {
    /// A cursor that cannot be used.
    pub fn cursor(field: &str, error: InvalidCursor) -> Self {
        Self::field(ErrorReason::InvalidCursor, field, error.to_string())
    }
}
