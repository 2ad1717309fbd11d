//! Verifies bearer tokens (RFC 7519, RFC 9068).

use std::{collections::HashSet, sync::Arc};

use jsonwebtoken::{Header, TokenData, Validation, errors::ErrorKind};
use serde_json::{Map, Value};
use thiserror::Error;

use super::{
    Caller, IssuerKeys,
    keeper::TrustedKeys,
    verified::{TokenDigest, token_digest},
};
use crate::{
    domain::ids::{InvalidName, Subject, TenantId},
    pb,
};

/// The difference that the clocks of the issuer and of this server may have.
const LEEWAY_SECONDS: u32 = 30;
/// The longest token that is parsed.
const MAX_TOKEN_BYTES: usize = 16 * 1024;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TokenError {
    /// It is not a signed JWT.
    #[error("the token is not a signed JWT")]
    Malformed,
    /// Its `typ` is not that of an access token (RFC 9068 section 4).
    #[error("the token is not an access token")]
    Type,
    /// Its signature is not by a key of the issuer.
    #[error("the token is not signed with a key and algorithm of the issuer")]
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
    /// A claim is missing or malformed.
    #[error("the token needs the claims iss, aud, exp, sub and tenant in their right form")]
    Claims,
}

impl From<InvalidName> for TokenError {
    fn from(_: InvalidName) -> Self {
        Self::Claims
    }
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
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::Malformed);
        }
        let digest = token_digest(token);
        let trusted = self.keys.current().ok_or(TokenError::NoKeys)?;
        if let Some(caller) = trusted.verified.get(&digest) {
            return Ok(caller);
        }
        let header = self.header(token)?;
        let trusted = self.keys_for(&header, trusted).await?;
        self.verify_with(&trusted, &header, token, digest)
    }

    fn header(&self, token: &str) -> Result<Header, TokenError> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Malformed)?;
        self.check_type(header.typ.as_deref())?;
        // Critical extensions must be understood (RFC 7515 section 4.1.11), and no extension is supported.
        if header.crit.is_some() {
            return Err(TokenError::Malformed);
        }
        Ok(header)
    }

    fn check_type(&self, typ: Option<&str>) -> Result<(), TokenError> {
        let typ_is = |expected: &str| typ.is_some_and(|typ| typ.eq_ignore_ascii_case(expected));
        let access_token = typ_is("at+jwt") || typ_is("application/at+jwt");
        if access_token || !self.rules.require_at_jwt && (typ.is_none() || typ_is("JWT")) {
            Ok(())
        } else {
            Err(TokenError::Type)
        }
    }

    /// Returns the keys to verify a token with: refreshed ones if it names a key that is not known.
    async fn keys_for(
        &self,
        header: &Header,
        trusted: Arc<TrustedKeys>,
    ) -> Result<Arc<TrustedKeys>, TokenError> {
        match &header.kid {
            Some(id) if !trusted.keys.knows(id) => self.keys.refreshed().await.ok_or(TokenError::NoKeys),
            _ => Ok(trusted),
        }
    }

    fn verify_with(
        &self,
        trusted: &TrustedKeys,
        header: &Header,
        token: &str,
        digest: TokenDigest,
    ) -> Result<Caller, TokenError> {
        let key = trusted
            .keys
            .find(header.kid.as_deref(), header.alg)
            .ok_or(TokenError::Signature)?;
        let mut validation = Validation::new(header.alg);
        validation.leeway = u64::from(LEEWAY_SECONDS);
        validation.validate_nbf = true;
        validation.set_issuer(&[&self.rules.issuer]);
        validation.set_audience(&[&self.rules.audience]);
        validation.set_required_spec_claims(&["iss", "aud", "exp", "sub"]);
        let TokenData { claims, .. } =
            jsonwebtoken::decode::<Map<String, Value>>(token, &key.decoding, &validation)
                .map_err(|error| token_error(error.kind()))?;
        // The library would accept a list of issuers too, which RFC 7519 section 4.1.1 does not allow.
        if claims.get("iss").and_then(Value::as_str) != Some(&self.rules.issuer) {
            return Err(TokenError::Issuer);
        }
        let caller = self.caller(&claims)?;
        if let Some(expires) = claims.get("exp").and_then(Value::as_f64) {
            let expires = expires + f64::from(LEEWAY_SECONDS);
            trusted.verified.insert(digest, caller.clone(), expires);
        }
        Ok(caller)
    }

    fn caller(&self, claims: &Map<String, Value>) -> Result<Caller, TokenError> {
        let text = |name: &str| claims.get(name).and_then(Value::as_str).ok_or(TokenError::Claims);
        Ok(Caller::new(
            TenantId::parse(text(&self.rules.tenant_claim)?)?,
            Subject::parse(text("sub")?)?,
            scopes(self.scope_value(claims)),
        ))
    }

    fn scope_value<'a>(&self, claims: &'a Map<String, Value>) -> Option<&'a Value> {
        let value = |claim: &str| claims.get(claim).filter(|value| !value.is_null());
        match self.rules.scope_claim.as_deref() {
            Some(claim) => value(claim),
            None => value("scope").or_else(|| value("scp")),
        }
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
