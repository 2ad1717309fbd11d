//! Requests as handlers get them.

use std::time::SystemTime;

use thiserror::Error;
use tonic::Request;

use super::failure::Failure;
use crate::{auth::Caller, domain::timestamp::Timestamp};

#[derive(Debug, Error)]
#[error("a request reached its handler without having been authenticated")]
struct NotAuthenticated;

/// Takes a request apart into its caller and its message.
pub(super) fn caller_and_message<T>(request: Request<T>) -> Result<(Caller, T), Failure> {
    let (_, mut extensions, message) = request.into_parts();
    let caller = extensions
        .remove()
        .ok_or_else(|| Failure::internal(NotAuthenticated))?;
    Ok((caller, message))
}

pub(super) fn now() -> Timestamp {
    SystemTime::now().into()
}
