//! Verifies bearer tokens (RFC 7519, RFC 9068).

use std::{collections::HashSet, sync::Arc, time::SystemTime};

use jsonwebtoken::Algorithm::{self, ES256, ES384, EdDSA, RS256, RS384, RS512};
use serde_json::Value;
use thiserror::Error;

use super::{Caller, IssuerKeys, KeySet, keeper::TrustedKeys, verified::token_digest};
use crate::{
    domain::{
        ids::{InvalidName, Subject, TenantId},
        jwt::{InvalidJwt, Members, SignedJwt, WrongType, is_media_type},
        timestamp::Timestamp,
    },
    pb,
};

/// The algorithms with which a token may be signed.
const ALGORITHMS: [Algorithm; 6] = [RS256, RS384, RS512, ES256, ES384, EdDSA];
/// The difference that the clocks of the issuer and of this server may have.
const LEEWAY_SECONDS: f64 = 30.0;

/// The rules that tokens are verified by.
#[derive(Debug, Clone)]
pub struct TokenRules {
    /// The expected `iss`.
    pub issuer: String,
    /// The expected `aud`, or one of them.
    pub audience: String,
    /// The claim that has the tenant.
    pub tenant_claim: String,
    /// The claim that has the scopes. `None` means `scope`, or `scp` without it.
    pub scope_claim: Option<String>,
    /// Requires the `typ` `at+jwt` (RFC 9068 section 2.1). Otherwise `JWT` and no `typ` are accepted too.
    pub require_at_jwt: bool,
}

/// The default of [`TokenRules::tenant_claim`].
pub(crate) const DEFAULT_TENANT_CLAIM: &str = "tenant_id";

impl TokenRules {
    /// Creates rules for the tokens of an issuer for an audience, with the default names of claims and any `typ`.
    pub fn new(issuer: impl Into<String>, audience: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            audience: audience.into(),
            tenant_claim: DEFAULT_TENANT_CLAIM.to_owned(),
            scope_claim: None,
            require_at_jwt: false,
        }
    }
}

/// Verifies the tokens that one issuer signs for this service.
#[derive(Debug)]
pub struct TokenVerifier {
    keys: IssuerKeys,
    rules: TokenRules,
}

/// The error for a token that is not accepted. Its text is sent to the caller.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TokenError {
    /// It is not a JWT that may be verified.
    #[error("the token {0}")]
    Jwt(#[from] InvalidJwt),
    /// Its `typ` is not that of an access token (RFC 9068 section 4).
    #[error("the typ of the token must be at+jwt or JWT, or absent")]
    Type,
    /// Its `typ` is not the required one.
    #[error("the typ of the token must be at+jwt")]
    NotAtJwt,
    /// Its `alg` is not in the allow-list.
    #[error("the alg of the token must be RS256, RS384, RS512, ES256, ES384 or EdDSA")]
    Algorithm,
    /// No key of the issuer has its `kid` and is for its `alg`.
    #[error("the issuer has no key for the kid and alg of the token")]
    UnknownKey,
    /// No such key of the issuer made its signature.
    #[error("the signature of the token is not valid")]
    Signature,
    /// Its `exp` has passed.
    #[error("the token has expired")]
    Expired,
    /// Its `nbf` has not come yet.
    #[error("the token is not yet valid")]
    NotYetValid,
    /// Its `iss` is another issuer.
    #[error("the token is not of the expected issuer")]
    Issuer,
    /// Its `aud` is another service.
    #[error("the token is not for this audience")]
    Audience,
    /// It cannot be verified before the keys of the issuer are known.
    #[error("the keys of the issuer are not known yet")]
    NoKeys,
    /// It lacks a claim.
    #[error("the token lacks the claim {0}")]
    MissingClaim(String),
    /// A claim has a wrong type.
    #[error("the claim {0}")]
    ClaimType(#[from] WrongType),
    /// The claim with the tenant, or with the subject, is not a name.
    #[error("the claim {claim} {rule}")]
    Name {
        /// The name of the claim.
        claim: String,
        /// The rule for its value.
        rule: InvalidName,
    },
}

impl TokenVerifier {
    /// Creates a verifier with the keys of the issuer.
    pub fn new(keys: IssuerKeys, rules: TokenRules) -> Self {
        Self { keys, rules }
    }

    /// Verifies a token.
    ///
    /// # Errors
    /// Returns an error if it is not accepted.
    pub async fn verify(&self, token: &str) -> Result<Caller, TokenError> {
        let digest = token_digest(token);
        let trusted = self.keys.current().ok_or(TokenError::NoKeys)?;
        if let Some(caller) = trusted.verified.get(&digest) {
            return Ok(caller);
        }
        let jwt = SignedJwt::parse(token)?;
        self.check_type(jwt.media_type())?;
        let algorithm = jwt.algorithm().filter(|algorithm| ALGORITHMS.contains(algorithm));
        let algorithm = algorithm.ok_or(TokenError::Algorithm)?;
        let trusted = self.keys_for(&jwt, trusted).await?;
        check_signature(&trusted.keys, &jwt, algorithm)?;
        let expires = self.check_claims(jwt.claims(), now().as_seconds())?;
        let caller = self.caller(jwt.claims(), Timestamp::from_seconds(expires - LEEWAY_SECONDS))?;
        trusted.verified.insert(digest, caller.clone(), expires);
        Ok(caller)
    }

    fn check_type(&self, typ: Option<&str>) -> Result<(), TokenError> {
        let is_at_jwt = typ.is_some_and(|typ| is_media_type(typ, "at+jwt"));
        if self.rules.require_at_jwt {
            return is_at_jwt.then_some(()).ok_or(TokenError::NotAtJwt);
        }
        let is_accepted = is_at_jwt || typ.is_none_or(|typ| is_media_type(typ, "JWT"));
        is_accepted.then_some(()).ok_or(TokenError::Type)
    }

    /// Returns the keys to verify a token with: refreshed ones if it names a key that is not known.
    async fn keys_for(
        &self,
        jwt: &SignedJwt,
        trusted: Arc<TrustedKeys>,
    ) -> Result<Arc<TrustedKeys>, TokenError> {
        match jwt.key_id() {
            Some(id) if !trusted.keys.knows(id) => self.keys.refreshed().await.ok_or(TokenError::NoKeys),
            _ => Ok(trusted),
        }
    }

    /// Checks the claims that the rules name, and returns the time at which the token is no longer accepted.
    fn check_claims(&self, claims: &Members, now: f64) -> Result<f64, TokenError> {
        let missing = |claim: &str| TokenError::MissingClaim(claim.to_owned());
        let issuer = claims.text("iss")?.ok_or_else(|| missing("iss"))?;
        let audiences = claims.texts("aud")?.ok_or_else(|| missing("aud"))?;
        let expires = claims.seconds("exp")?.ok_or_else(|| missing("exp"))? + LEEWAY_SECONDS;
        let begins = claims.seconds("nbf")?;
        claims.seconds("iat")?;
        if expires <= now {
            return Err(TokenError::Expired);
        }
        if begins.is_some_and(|begins| begins > now + LEEWAY_SECONDS) {
            return Err(TokenError::NotYetValid);
        }
        if issuer != self.rules.issuer {
            return Err(TokenError::Issuer);
        }
        if !audiences.contains(&self.rules.audience.as_str()) {
            return Err(TokenError::Audience);
        }
        Ok(expires)
    }

    fn caller(&self, claims: &Members, expires: Timestamp) -> Result<Caller, TokenError> {
        Ok(Caller::new(
            name(claims, &self.rules.tenant_claim, TenantId::parse)?,
            name(claims, "sub", Subject::parse)?,
            scopes(self.scope_value(claims)),
            expires,
        ))
    }

    fn scope_value<'a>(&self, claims: &'a Members) -> Option<&'a Value> {
        match self.rules.scope_claim.as_deref() {
            Some(claim) => claims.get(claim),
            None => claims.get("scope").or_else(|| claims.get("scp")),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the verifier owns the expiry of tokens")]
fn now() -> Timestamp {
    SystemTime::now().into()
}

fn check_signature(keys: &KeySet, jwt: &SignedJwt, algorithm: Algorithm) -> Result<(), TokenError> {
    let mut candidates = keys.candidates(jwt.key_id(), algorithm).peekable();
    if candidates.peek().is_none() {
        return Err(TokenError::UnknownKey);
    }
    let is_signed = candidates.any(|key| jwt.is_signed_with(key, algorithm));
    is_signed.then_some(()).ok_or(TokenError::Signature)
}

/// Returns the value of a claim with a tenant or subject.
fn name<T>(
    claims: &Members,
    claim: &str,
    parse: impl FnOnce(&str) -> Result<T, InvalidName>,
) -> Result<T, TokenError> {
    let text = claims.text(claim)?;
    let text = text.ok_or_else(|| TokenError::MissingClaim(claim.to_owned()))?;
    parse(text).map_err(|rule| TokenError::Name {
        claim: claim.to_owned(),
        rule,
    })
}

/// Returns the scopes of a text with spaces between them (RFC 8693 section 4.2), or of a list, as some issuers write them.
/// A token may have any number of scopes; only those that some method requires are kept.
fn scopes(value: Option<&Value>) -> HashSet<String> {
    let texts: Vec<&str> = match value {
        Some(Value::String(text)) => vec![text],
        Some(Value::Array(values)) => values.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let required = |scope: &&str| pb::protos().is_ok_and(|protos| protos.asks_for(scope));
    let scopes = texts
        .into_iter()
        .flat_map(|text| text.split(' '))
        .filter(required);
    scopes.map(str::to_owned).collect()
}
