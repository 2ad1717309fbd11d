//! Finds the method that a gRPC request calls.

use http::Request;

use super::filter::Predicate;
use crate::{
    pb::{MethodPolicy, Protos, v1::ErrorReason},
    rpc::failure::Failure,
};

/// The policy of the called method, in the extensions of a request.
#[derive(Debug, Clone, Copy)]
pub struct CalledMethod(pub &'static MethodPolicy);

/// Finds the method at the path of a request, and refuses requests of other paths.
#[derive(Debug, Clone, Copy)]
pub(super) struct ResolveMethod(pub(super) &'static Protos);

impl Predicate for ResolveMethod {
    fn check<B>(&self, request: &mut Request<B>) -> Result<(), Failure> {
        let policy = self
            .0
            .policy(request.uri().path())
            .ok_or_else(|| Failure::new(ErrorReason::MethodNotAllowed, "there is no such method"))?;
        request.extensions_mut().insert(CalledMethod(policy));
        Ok(())
    }
}
