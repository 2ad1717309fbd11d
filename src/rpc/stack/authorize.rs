//! Authorizes the caller of a request by the scopes of its token.

use http::{HeaderValue, Request, header::WWW_AUTHENTICATE};

use super::{filter::Predicate, resolve::CalledMethod};
use crate::{
    auth::Caller,
    pb::{Access, v1::ErrorReason},
    rpc::failure::Failure,
};

/// Admits callers with the scope that the policy of the called method requires. Without a policy it admits nobody.
#[derive(Debug, Clone, Copy)]
pub(super) struct Authorize;

impl Predicate for Authorize {
    fn check<B>(&self, request: &mut Request<B>) -> Result<(), Failure> {
        let extensions = request.extensions();
        let Some(policy) = extensions.get::<CalledMethod>().map(|called| called.policy()) else {
            return Err(insufficient_scope("", "the method admits nobody"));
        };
        match (&policy.access, extensions.get::<Caller>()) {
            (Access::Public, _) => Ok(()),
            (Access::Scope(scope), Some(caller)) if caller.is_of_every_tenant() && !policy.every_tenant => {
                let detail = "a token of every tenant is for authenticating clients only";
                Err(insufficient_scope(scope, detail))
            }
            (Access::Scope(scope), Some(caller)) if caller.has_scope(scope) => Ok(()),
            (Access::Scope(scope), _) => Err(insufficient_scope(
                scope,
                format!("the token lacks the scope {scope}"),
            )),
        }
    }
}

/// RFC 6750 section 3.1.
fn insufficient_scope(scope: &str, detail: impl Into<String>) -> Failure {
    let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{scope}\"");
    let failure = Failure::new(ErrorReason::ScopeMissing, detail);
    match HeaderValue::try_from(challenge) {
        Ok(challenge) => failure.header(WWW_AUTHENTICATE, challenge),
        Err(_) => failure,
    }
}
