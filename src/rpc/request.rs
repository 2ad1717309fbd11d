//! The parts of a request that every handler takes apart.

use thiserror::Error;
use tonic::Request;

use super::{
    failure::Failure,
    stack::{
        request_id::{HeldBackId, X_REQUEST_ID},
        request_log::record_request_id,
        resolve::CalledMethod,
    },
};
use crate::{
    auth::Caller,
    domain::{idempotency_key::IdempotencyKey, ids::CorrelationId},
    pb::Method,
};

#[derive(Debug, Error)]
#[error("a request reached its handler without having been authenticated")]
struct MissingCaller;

#[derive(Debug, Error)]
#[error("a request reached its handler without its method")]
struct MissingMethod;

/// Returns the method that a request calls.
pub(super) fn called_method<T>(request: &Request<T>) -> Result<&'static Method, Failure> {
    request
        .extensions()
        .get()
        .and_then(|CalledMethod(target)| target.method())
        .ok_or_else(|| Failure::internal(MissingMethod))
}

/// Returns the id of a request. It is the caller's own, unless that is the idempotency key: then it is the one that the stack
/// has given the request.
pub(super) fn correlation_id<T>(request: &Request<T>, key: Option<&IdempotencyKey>) -> Option<CorrelationId> {
    let held_back = request.extensions().get::<HeldBackId>();
    if let Some(id) = held_back.and_then(|held_back| held_back.unless_it_is(key)) {
        record_request_id(id);
        return CorrelationId::parse(id.to_str().ok()?);
    }
    let id = request.metadata().get(X_REQUEST_ID.as_str())?;
    CorrelationId::parse(id.to_str().ok()?)
}

/// Returns the caller of a request, which the stack has authenticated, and the message.
pub(super) fn caller_and_message<T>(request: Request<T>) -> Result<(Caller, T), Failure> {
    let (_, mut extensions, message) = request.into_parts();
    let caller = extensions
        .remove()
        .ok_or_else(|| Failure::internal(MissingCaller))?;
    Ok((caller, message))
}
