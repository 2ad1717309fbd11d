//! What every handler needs of a call.

use std::time::SystemTime;

use thiserror::Error;
use tonic::Request;

use super::{stack::resolve::CalledMethod, status::Failure};
use crate::{auth::Caller, domain::timestamp::Timestamp, pb::Method};

#[derive(Debug, Error)]
#[error("a call reached its handler without having been authenticated")]
struct NotAuthenticated;

#[derive(Debug, Error)]
#[error("a request reached its handler without its method")]
struct NoMethod;

/// Returns the method that a request calls.
pub(super) fn called_method<T>(request: &Request<T>) -> Result<&'static Method, Failure> {
    request
        .extensions()
        .get()
        .and_then(|CalledMethod(target)| target.method())
        .ok_or_else(|| Failure::internal(&NoMethod))
}

/// Splits a call into who calls and what he asks for.
pub(super) fn split<T>(request: Request<T>) -> Result<(Caller, T), Failure> {
    let (_, mut extensions, message) = request.into_parts();
    let context = extensions
        .remove()
        .ok_or_else(|| Failure::internal(&NotAuthenticated))?;
    Ok((context, message))
}

pub(super) fn now() -> Timestamp {
    SystemTime::now().into()
}
