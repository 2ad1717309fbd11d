//! Verifies bearer tokens (RFC 7519, RFC 9068).

use std::{collections::HashSet, sync::Arc};

use jsonwebtoken::{Header, TokenData, Validation, errors::ErrorKind};
use serde_json::{Map, Value};
use thiserror::Error;

use super::{
    Caller, IssuerKeys,
    keeper::Trust,
    verified::{TokenDigest, token_digest},
};
use crate::{
    domain::ids::{InvalidName, Subject, TenantId},
    pb,
};

/// How much the clocks of an issuer and of this server may differ.
const LEEWAY_SECONDS: u32 = 30;
/// The longest token that is looked at.
const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// What a token must say to be accepted.
#[derive(Debug, Clone)]
pub struct TokenRules {
    /// Its `iss`.
    pub issuer: String,
    /// One of its `aud`.
    pub audience: String,
    /// The name of the claim that holds the tenant.
    pub tenant_claim: String,
    /// The name of the claim that holds its scopes. Nothing means `scope`, or else `scp`.
    pub scope_claim: Option<String>,
    /// Whether its `typ` must be `at+jwt` (RFC 9068 section 2.1). Otherwise `JWT` and none will do.
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

/// Accepts tokens that one issuer signed for this service.
#[derive(Debug)]
pub struct TokenVerifier {
    keys: IssuerKeys,
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
    /// Nothing can be said of it, as the keys of the issuer are not known yet.
    #[error("the keys of the issuer are not known yet")]
    NoKeys,
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
    pub fn new(keys: IssuerKeys, rules: TokenRules) -> Self {
        Self { keys, rules }
    }

    /// Verifies a token.
    ///
    /// # Errors
    /// Why it is not accepted.
    pub async fn verify(&self, token: &str) -> Result<Caller, TokenError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::Malformed);
        }
        let digest = token_digest(token);
        let trust = self.keys.trust().ok_or(TokenError::NoKeys)?;
        if let Some(context) = trust.verified.get(&digest) {
            return Ok(context);
        }
        let header = self.header(token)?;
        let trust = self.trust_for(&header, trust).await?;
        self.verify_with(&trust, &header, token, digest)
    }

    fn header(&self, token: &str) -> Result<Header, TokenError> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Malformed)?;
        self.check_type(header.typ.as_deref())?;
        // No extension is understood here, so none may be critical (RFC 7515 section 4.1.11).
        if header.crit.is_some() {
            return Err(TokenError::Malformed);
        }
        Ok(header)
    }

    fn check_type(&self, typ: Option<&str>) -> Result<(), TokenError> {
        let is = |accepted: &str| typ.is_some_and(|typ| typ.eq_ignore_ascii_case(accepted));
        let access_token = is("at+jwt") || is("application/at+jwt");
        if access_token || !self.rules.require_at_jwt && (typ.is_none() || is("JWT")) {
            Ok(())
        } else {
            Err(TokenError::Type)
        }
    }

    /// What to verify a token with: the newest keys when it names one that is not known.
    async fn trust_for(&self, header: &Header, trust: Arc<Trust>) -> Result<Arc<Trust>, TokenError> {
        match &header.kid {
            Some(id) if !trust.keys.knows(id) => self.keys.refreshed().await.ok_or(TokenError::NoKeys),
            _ => Ok(trust),
        }
    }

    fn verify_with(
        &self,
        trust: &Trust,
        header: &Header,
        token: &str,
        digest: TokenDigest,
    ) -> Result<Caller, TokenError> {
        let key = trust
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
        // The library would take a list of issuers too, which RFC 7519 section 4.1.1 does not know.
        if claims.get("iss").and_then(Value::as_str) != Some(&self.rules.issuer) {
            return Err(TokenError::Issuer);
        }
        let context = self.context(&claims)?;
        if let Some(expires) = claims.get("exp").and_then(Value::as_f64) {
            let expires = expires + f64::from(LEEWAY_SECONDS);
            trust.verified.insert(digest, context.clone(), expires);
        }
        Ok(context)
    }

    fn context(&self, claims: &Map<String, Value>) -> Result<Caller, TokenError> {
        let text = |name: &str| claims.get(name).and_then(Value::as_str).ok_or(TokenError::Claims);
        Ok(Caller::new(
            TenantId::parse(text(&self.rules.tenant_claim)?)?,
            Subject::parse(text("sub")?)?,
            scopes(self.scope_value(claims)),
        ))
    }

    fn scope_value<'a>(&self, claims: &'a Map<String, Value>) -> Option<&'a Value> {
        let said = |claim: &str| claims.get(claim).filter(|value| !value.is_null());
        match self.rules.scope_claim.as_deref() {
            Some(claim) => said(claim),
            None => said("scope").or_else(|| said("scp")),
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

/// The scopes in a text with spaces between them (RFC 8693 section 4.2), or in a list, as some issuers write them. Only
/// those that some method asks for are kept, however many there are.
fn scopes(value: Option<&Value>) -> HashSet<String> {
    let texts: Vec<&str> = match value {
        Some(Value::String(text)) => vec![text],
        Some(Value::Array(values)) => values.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let asked_for = |scope: &&str| pb::protos().is_ok_and(|protos| protos.asks_for(scope));
    let scopes = texts
        .into_iter()
        .flat_map(|text| text.split(' '))
        .filter(asked_for);
    scopes.map(str::to_owned).collect()
}
