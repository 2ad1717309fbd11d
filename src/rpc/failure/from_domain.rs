//! Errors of the domain as failures.

use super::Failure;
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
    pb::v1::ErrorReason,
};

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
            ChangeError::TooLarge { .. } => ErrorReason::InvalidField,
            ChangeError::SecretLimitReached => ErrorReason::SecretLimitReached,
            ChangeError::SecretsNotSupported => ErrorReason::SecretsNotSupported,
            ChangeError::EtagMismatch => ErrorReason::EtagMismatch,
            ChangeError::SecretNotFound => ErrorReason::SecretNotFound,
        };
        Self::new(reason, error.to_string())
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
    /// Creates a failure of a cursor in a field.
    pub(crate) fn cursor(field: &str, error: InvalidCursor) -> Self {
        Self::field(ErrorReason::InvalidCursor, field, error.to_string())
    }

    pub(super) fn client_not_found() -> Self {
        Self::new(ErrorReason::ClientNotFound, "there is no such client")
    }
}
