//! Errors of the store as failures.

use super::Failure;
use crate::{
    domain::client::ChangeError,
    pb::v1::ErrorReason,
    store::{StoreError, UpdateError},
};

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::ClientNotFound => Self::client_not_found(),
            StoreError::ConcurrentChange => Self::new(
                ErrorReason::ConcurrentChange,
                "another change of the client won: try again",
            ),
            StoreError::RequestIdReused => Self::new(
                ErrorReason::RequestIdReused,
                "the idempotency key was used for another method or message: a new request needs a new one",
            ),
            StoreError::Unavailable(_) | StoreError::TimedOut | StoreError::Unsuitable(_) => {
                Self::unavailable(error)
            }
            StoreError::Corrupt(_) | StoreError::CorruptResponse => Self::corrupt_record(error),
            StoreError::Database(_) => Self::internal(error),
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
