//! Whether the caller's token admits him to the called method.

use http::{HeaderValue, Request, header::WWW_AUTHENTICATE};

use super::{gate::Check, resolve::CalledMethod};
use crate::{
    auth::Caller,
    pb::{Access, v1::ErrorReason},
    rpc::status::Failure,
};

/// Asks for the scope that the policy of the called method names. Without a policy nobody is admitted.
#[derive(Debug, Clone, Copy)]
pub struct Authorize;

impl Check for Authorize {
    async fn check<B: Send>(&self, request: &mut Request<B>) -> Result<(), Failure> {
        let extensions = request.extensions();
        let policy = extensions.get::<CalledMethod>().map(|called| called.policy());
        let Some(policy) = policy else {
            return Err(insufficient("", "the method admits nobody".to_owned()));
        };
        match (&policy.access, extensions.get::<Caller>()) {
            (Access::Public, _) => Ok(()),
            (Access::Scope(scope), Some(context)) if context.is_of_every_tenant() && !policy.every_tenant => {
                let detail = "a token of every tenant is for authenticating clients only";
                Err(insufficient(scope, detail.to_owned()))
            }
            (Access::Scope(scope), Some(context)) if context.has_scope(scope) => Ok(()),
            (Access::Scope(scope), _) => {
                Err(insufficient(scope, format!("the token lacks the scope {scope}")))
            }
        }
    }
}

/// RFC 6750 section 3.1.
fn insufficient(scope: &str, detail: String) -> Failure {
    let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{scope}\"");
    let failure = Failure::new(ErrorReason::ScopeMissing, detail);
    match HeaderValue::try_from(challenge) {
        Ok(challenge) => failure.header(WWW_AUTHENTICATE, challenge),
        Err(_) => failure,
    }
}
