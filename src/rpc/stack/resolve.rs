//! Which method a call on the gRPC transport is for.

use http::Request;

use super::gate::Check;
use crate::{
    pb::{MethodPolicy, Protos, v1::ErrorReason},
    rpc::failure::Failure,
};

/// The policy of the called method, for the layers behind.
#[derive(Debug, Clone, Copy)]
pub struct CalledMethod(pub &'static MethodPolicy);

/// Finds the policy of the method at the path of a call. A call of any other path goes no further.
#[derive(Debug, Clone, Copy)]
pub struct ResolveMethod(pub &'static Protos);

impl Check for ResolveMethod {
    async fn check<B: Send>(&self, request: &mut Request<B>) -> Result<(), Failure> {
        let policy = self
            .0
            .policy(request.uri().path())
            .ok_or_else(|| Failure::new(ErrorReason::MethodNotAllowed, "there is no such method"))?;
        request.extensions_mut().insert(CalledMethod(policy));
        Ok(())
    }
}
