//! The gate that turns the bearer token of a call into a [`Caller`].

use std::{sync::Arc, time::Duration};

use http::{
    HeaderMap, HeaderValue, Request,
    header::{AUTHORIZATION, WWW_AUTHENTICATE},
};
use tracing::Span;

use super::{TokenError, TokenVerifier};
use crate::{
    pb::{Access, v1::ErrorReason},
    rpc::{
        stack::{gate::Check, resolve::CalledMethod},
        status::Failure,
    },
};

/// When to try again if the keys of the issuer could not be had yet.
const RETRY_KEYS: Duration = Duration::from_secs(10);

/// Verifies the token of every call but those of public methods.
#[derive(Debug, Clone)]
pub struct Authenticate(Arc<TokenVerifier>);

impl Authenticate {
    /// A gate for the tokens that the verifier accepts.
    pub fn new(verifier: TokenVerifier) -> Self {
        Self(Arc::new(verifier))
    }
}

impl Check for Authenticate {
    async fn check<B: Send>(&self, request: &mut Request<B>) -> Result<(), Failure> {
        if let Some(called) = request.extensions().get::<CalledMethod>()
            && called.policy().access == Access::Public
        {
            return Ok(());
        }
        let token = bearer_token(request.headers())?;
        let context = self.0.verify(token).await.map_err(refused)?;
        let span = Span::current();
        span.record("tenant", context.tenant().as_str());
        span.record("subject", context.subject().as_str());
        request.extensions_mut().insert(context);
        Ok(())
    }
}

/// The token of the one `authorization` header (RFC 6750 section 2.1).
fn bearer_token(headers: &HeaderMap) -> Result<&str, Failure> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = match (values.next(), values.next()) {
        (None, _) => return Err(missing()),
        (Some(value), None) => value
            .to_str()
            .map_err(|_| invalid("the authorization header is not ASCII".to_owned()))?,
        (Some(_), Some(_)) => return Err(invalid("there are several authorization headers".to_owned())),
    };
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    if scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() {
        Ok(token.trim_start_matches(' '))
    } else {
        Err(missing())
    }
}

fn refused(error: TokenError) -> Failure {
    match error {
        TokenError::NoKeys => {
            Failure::new(ErrorReason::Unavailable, error.to_string()).retry_after(RETRY_KEYS)
        }
        _ => invalid(error.to_string()),
    }
}

fn missing() -> Failure {
    Failure::new(
        ErrorReason::TokenMissing,
        "the call needs a bearer token in the authorization header",
    )
    .header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
}

fn invalid(detail: String) -> Failure {
    Failure::new(ErrorReason::TokenInvalid, detail).header(
        WWW_AUTHENTICATE,
        HeaderValue::from_static("Bearer error=\"invalid_token\""),
    )
}
