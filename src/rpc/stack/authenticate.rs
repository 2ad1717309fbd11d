//! Authenticates the caller of a request by its bearer token.

use std::{sync::Arc, time::Duration};

use http::{
    HeaderMap, HeaderValue, Request,
    header::{AUTHORIZATION, WWW_AUTHENTICATE},
};

use super::{filter::AsyncPredicate, request_log, resolve::CalledMethod};
use crate::{
    auth::{TokenError, TokenVerifier},
    pb::{Access, v1::ErrorReason},
    rpc::failure::{Cause, Failure},
    single_header::single_header,
};

/// The time after which a caller should retry while the keys of the issuer are not known yet.
const RETRY_KEYS: Duration = Duration::from_secs(10);

/// Verifies the token of every request but those of public methods, and puts the [`Caller`](crate::auth::Caller) into the
/// extensions.
#[derive(Debug, Clone)]
pub(super) struct Authenticate(Arc<TokenVerifier>);

impl Authenticate {
    pub(super) fn new(tokens: Arc<TokenVerifier>) -> Self {
        Self(tokens)
    }
}

impl AsyncPredicate for Authenticate {
    async fn check<B: Send>(&self, request: &mut Request<B>) -> Result<(), Failure> {
        if let Some(called) = request.extensions().get::<CalledMethod>()
            && called.policy().access == Access::Public
        {
            return Ok(());
        }
        let token = bearer_token(request.headers())?;
        let caller = self.0.verify(token).await?;
        request_log::record_caller(&caller);
        request.extensions_mut().insert(caller);
        Ok(())
    }
}

/// Returns the token of the `authorization` header (RFC 6750 section 2.1).
fn bearer_token(headers: &HeaderMap) -> Result<&str, Failure> {
    let value = single_header(headers, AUTHORIZATION)
        .map_err(|different| invalid(format!("the authorization header {different}")))?
        .ok_or_else(missing)?
        .to_str()
        .map_err(|_| invalid("the authorization header is not ASCII"))?;
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    if scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() {
        Ok(token.trim_start_matches(' '))
    } else {
        Err(missing())
    }
}

impl From<TokenError> for Failure {
    fn from(error: TokenError) -> Self {
        let detail = error.to_string();
        match error {
            TokenError::NoKeys => Self::new(ErrorReason::Unavailable, detail)
                .retry_after(RETRY_KEYS)
                .caused_by(Cause::Unavailable(Box::new(error))),
            _ => invalid(detail),
        }
    }
}

fn missing() -> Failure {
    Failure::new(
        ErrorReason::TokenMissing,
        "the request needs a bearer token in the authorization header",
    )
    .header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
}

fn invalid(detail: impl Into<String>) -> Failure {
    Failure::new(ErrorReason::TokenInvalid, detail).header(
        WWW_AUTHENTICATE,
        HeaderValue::from_static("Bearer error=\"invalid_token\""),
    )
}
