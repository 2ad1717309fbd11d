//! Finds the called method on the gRPC transport.

use http::Request;

use super::gate::Check;
use crate::{
    pb::{MethodPolicy, Protos, Target, v1::ErrorReason},
    rpc::status::Failure,
};

/// The called method, for the layers and handlers behind.
#[derive(Debug, Clone, Copy)]
pub struct CalledMethod(pub Target<'static>);

impl CalledMethod {
    /// Returns the policy of the method.
    pub fn policy(self) -> &'static MethodPolicy {
        self.0.policy()
    }
}

/// Finds the method at the path of a request, and rejects every other path.
#[derive(Debug, Clone, Copy)]
pub struct ResolveMethod(pub &'static Protos);

impl Check for ResolveMethod {
    async fn check<B: Send>(&self, request: &mut Request<B>) -> Result<(), Failure> {
        let target = self
            .0
            .target(request.uri().path())
            .ok_or_else(|| Failure::new(ErrorReason::MethodNotAllowed, "there is no such method"))?;
        request.extensions_mut().insert(CalledMethod(target));
        Ok(())
    }
}
