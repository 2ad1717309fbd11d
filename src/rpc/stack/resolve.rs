//! Finds the method that a gRPC request calls.

use http::Request;

use super::{filter::Predicate, http_errors, request_log::record_method};
use crate::{
    pb::{MethodPolicy, Protos, Target, v1::ErrorReason},
    rpc::failure::Failure,
};

/// The called method, in the extensions of a request.
#[derive(Debug, Clone, Copy)]
pub struct CalledMethod(pub Target<'static>);

impl CalledMethod {
    /// Puts the called method into the extensions of a request, and into its line in the log and its metrics.
    pub(crate) fn insert<B>(target: Target<'static>, request: &mut Request<B>) {
        record_method(target);
        request.extensions_mut().insert(Self(target));
    }

    /// Returns the policy of the method.
    pub fn policy(self) -> &'static MethodPolicy {
        self.0.policy()
    }

    /// Returns `true` if the response is a stream of messages. Methods of services that other packages define count as if
    /// they had none.
    pub(super) fn is_server_streaming(self) -> bool {
        self.0.method().is_some_and(|method| method.server_streaming)
    }
}

/// Finds the method at the path of a request, and rejects every other path and every other protocol.
#[derive(Debug, Clone, Copy)]
pub(super) struct ResolveMethod(pub(super) &'static Protos);

impl Predicate for ResolveMethod {
    fn check<B>(&self, request: &mut Request<B>) -> Result<(), Failure> {
        let target = self.0.target(request.uri().path());
        if let Some(target) = target {
            CalledMethod::insert(target, request);
        }
        http_errors::require_grpc(request)?;
        match target {
            Some(_) => Ok(()),
            None => Err(Failure::new(
                ErrorReason::MethodNotAllowed,
                "there is no such method",
            )),
        }
    }
}
