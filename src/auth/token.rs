//! Verifies bearer tokens (RFC 7519, RFC 9068).

use std::collections::HashSet;

use jsonwebtoken::{TokenData, Validation, errors::ErrorKind};
use serde_json::{Map, Value};
use thiserror::Error;

use super::{CallContext, KeySet};
use crate::domain::ids::{InvalidName, Subject, TenantId};

/// How much the clocks of an issuer and of this server may differ.
const LEEWAY_SECONDS: u64 = 30;

/// What a token must say to be accepted.
#[derive(Debug, Clone)]
pub struct TokenRules {
    /// Its `iss`.
    pub issuer: String,
    /// One of its `aud`.
    pub audience: String,
    /// The name of the claim that holds the tenant.
    pub tenant_claim: String,
}

/// Accepts tokens that one issuer signed for this service.
#[derive(Debug)]
pub struct TokenVerifier {
    keys: KeySet,
    rules: TokenRules,
}

/// Why a token is not accepted. The texts go to the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TokenError {
    /// It is no JWT.
    #[error("the token is not a signed JWT")]
    Malformed,
    /// Its `typ` is that of something else (RFC 9068 section 4).
    #[error("the token is not an access token")]
    Type,
    /// No key has signed it.
    #[error("the token is not signed with a key and algorithm of the issuer")]
    Signature,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// Its time has not come.
    #[error("the token is not yet valid")]
    NotYetValid,
    /// Another issuer made it.
    #[error("the token is not of the expected issuer")]
    Issuer,
    /// It was made for another service.
    #[error("the token is not for this audience")]
    Audience,
    /// A claim is missing or has the wrong form.
    #[error("the token needs the claims iss, aud, exp, sub and tenant in their right form")]
    Claims,
}

impl From<InvalidName> for TokenError {
    fn from(_: InvalidName) -> Self {
        Self::Claims
    }
}

impl TokenVerifier {
    /// A verifier for the tokens that one of the keys signed.
    pub fn new(keys: KeySet, rules: TokenRules) -> Self {
        Self { keys, rules }
    }

    /// Verifies a token.
    ///
    /// # Errors
    /// Why it is not accepted.
    pub fn verify(&self, token: &str) -> Result<CallContext, TokenError> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Malformed)?;
        check_type(header.typ.as_deref())?;
        // No extension is understood here, so none may be critical (RFC 7515 section 4.1.11).
        if header.crit.is_some() {
            return Err(TokenError::Malformed);
        }
        let key = self
            .keys
            .find(header.kid.as_deref())
            .ok_or(TokenError::Signature)?;
        if !key.algorithms.contains(&header.alg) {
            return Err(TokenError::Signature);
        }
        let mut validation = Validation::new(header.alg);
        validation.leeway = LEEWAY_SECONDS;
        validation.validate_nbf = true;
        validation.set_issuer(&[&self.rules.issuer]);
        validation.set_audience(&[&self.rules.audience]);
        validation.set_required_spec_claims(&["iss", "aud", "exp", "sub"]);
        let TokenData { claims, .. } =
            jsonwebtoken::decode::<Map<String, Value>>(token, &key.decoding, &validation)
                .map_err(|error| token_error(error.kind()))?;
        self.context(&claims)
    }

    fn context(&self, claims: &Map<String, Value>) -> Result<CallContext, TokenError> {
        let text = |name: &str| claims.get(name).and_then(Value::as_str).ok_or(TokenError::Claims);
        Ok(CallContext::new(
            TenantId::parse(text(&self.rules.tenant_claim)?)?,
            Subject::parse(text("sub")?)?,
            scopes(claims),
        ))
    }
}

fn check_type(typ: Option<&str>) -> Result<(), TokenError> {
    let accepted = ["at+jwt", "application/at+jwt", "JWT"];
    match typ {
        Some(typ) if !accepted.iter().any(|accepted| typ.eq_ignore_ascii_case(accepted)) => {
            Err(TokenError::Type)
        }
        _ => Ok(()),
    }
}

fn token_error(kind: &ErrorKind) -> TokenError {
    match kind {
        ErrorKind::InvalidSignature | ErrorKind::InvalidAlgorithm => TokenError::Signature,
        ErrorKind::ExpiredSignature => TokenError::Expired,
        ErrorKind::ImmatureSignature => TokenError::NotYetValid,
        ErrorKind::InvalidIssuer => TokenError::Issuer,
        ErrorKind::InvalidAudience => TokenError::Audience,
        ErrorKind::MissingRequiredClaim(_) | ErrorKind::InvalidClaimFormat(_) => TokenError::Claims,
        _ => TokenError::Malformed,
    }
}

/// The scopes of `scope` (RFC 8693 section 4.2), or else of `scp`, which some issuers write as an array.
fn scopes(claims: &Map<String, Value>) -> HashSet<String> {
    let split = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let scopes = match claims.get("scope").or_else(|| claims.get("scp")) {
        Some(Value::String(text)) => split(text),
        Some(Value::Array(values)) => values.iter().filter_map(Value::as_str).flat_map(split).collect(),
        _ => Vec::new(),
    };
    scopes.into_iter().filter(|scope| !scope.is_empty()).collect()
}
