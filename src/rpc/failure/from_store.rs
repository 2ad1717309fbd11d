//! Errors of the store as failures.

use super::{Cause, Failure};
use crate::{
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
            StoreError::Unavailable(_)
            | StoreError::TimedOut
            | StoreError::Overloaded(_)
            | StoreError::Unsuitable(_) => Self::unavailable(error),
            StoreError::Interrupted(_) => Self::new(
                ErrorReason::DeadlineExceeded,
                "the database took too long for the request, and was interrupted",
            )
            .caused_by(Cause::Unavailable(Box::new(error))),
            StoreError::Corrupt(_) | StoreError::CorruptResponse => Self::corrupt_record(error),
            StoreError::Database(_) => Self::internal(error),
        }
    }
}

impl From<UpdateError<Self>> for Failure {
    fn from(error: UpdateError<Self>) -> Self {
        match error {
            UpdateError::Refused(failure) => failure,
            UpdateError::Store(error) => error.into(),
        }
    }
}
