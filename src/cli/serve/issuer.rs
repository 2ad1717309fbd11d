//! The flags of the issuer of bearer tokens.

use std::{path::PathBuf, time::Duration};

use crate::{
    auth::{DEFAULT_TENANT_CLAIM, KeyLocation, TokenRules},
    cli::{FlagError, args::UnparsedUrl},
    config::{DEFAULT_JWKS_REFRESH, ExternalIssuer, MIN_JWKS_REFRESH},
};

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Bearer tokens")]
pub(super) struct IssuerArgs {
    /// Issuer of accepted tokens (iss).
    #[arg(long, env = "OAUTH_CLIENTS_ISSUER", value_name = "ISS")]
    issuer: Option<String>,
    /// Audience of accepted tokens (aud).
    #[arg(long, env = "OAUTH_CLIENTS_AUDIENCE", value_name = "AUD")]
    audience: Option<String>,
    /// File with the JWKS of the issuer (RFC 7517 section 5).
    #[arg(long, env = "OAUTH_CLIENTS_JWKS_FILE", value_name = "FILE")]
    jwks_file: Option<PathBuf>,
    /// URL of the JWKS of the issuer, instead of a file. The metadata of the issuer names it (RFC 8414 section 2).
    #[arg(
        long,
        env = "OAUTH_CLIENTS_JWKS_URL",
        hide_env_values = true,
        value_name = "URL"
    )]
    jwks_url: Option<UnparsedUrl>,
    /// Interval at which the JWKS URL is fetched. It is fetched at once for a token of an unknown key.
    #[arg(
        long,
        env = "OAUTH_CLIENTS_JWKS_REFRESH",
        value_name = "DURATION",
        default_value_t = DEFAULT_JWKS_REFRESH.into()
    )]
    jwks_refresh: humantime::Duration,
    /// Accept only tokens of the type at+jwt (RFC 9068 section 2.1).
    #[arg(long, env = "OAUTH_CLIENTS_REQUIRE_AT_JWT")]
    require_at_jwt: bool,
    /// Name of the claim with the tenant.
    #[arg(
        long,
        env = "OAUTH_CLIENTS_TENANT_CLAIM",
        value_name = "NAME",
        default_value = DEFAULT_TENANT_CLAIM
    )]
    tenant_claim: String,
    /// Name of the claim with the scopes [default: scope, or else scp].
    #[arg(long, env = "OAUTH_CLIENTS_SCOPE_CLAIM", value_name = "NAME")]
    scope_claim: Option<String>,
}

impl IssuerArgs {
    /// Returns `true` if a flag selects an issuer.
    pub(super) fn is_given(&self) -> bool {
        let keys = self.jwks_file.is_some() || self.jwks_url.is_some();
        self.issuer.is_some() || self.audience.is_some() || keys
    }

    pub(super) fn external(&self) -> Result<ExternalIssuer, FlagError> {
        Ok(ExternalIssuer {
            rules: TokenRules {
                issuer: required("--issuer", self.issuer.as_ref())?,
                audience: required("--audience", self.audience.as_ref())?,
                tenant_claim: self.tenant_claim.clone(),
                scope_claim: self.scope_claim.clone(),
                require_at_jwt: self.require_at_jwt,
            },
            keys: self.keys()?,
            jwks_refresh: self.jwks_refresh()?,
        })
    }

    fn keys(&self) -> Result<KeyLocation, FlagError> {
        match (&self.jwks_file, &self.jwks_url) {
            (Some(file), None) => Ok(KeyLocation::File(file.clone())),
            (None, Some(url)) => Ok(KeyLocation::Url(url.parse("--jwks-url")?)),
            (None, None) => Err(FlagError::KeysRequired),
            (Some(_), Some(_)) => Err(FlagError::KeysGivenTwice),
        }
    }

    fn jwks_refresh(&self) -> Result<Duration, FlagError> {
        let refresh = self.jwks_refresh.into();
        if refresh < MIN_JWKS_REFRESH {
            return Err(FlagError::JwksRefresh);
        }
        Ok(refresh)
    }
}

fn required(flag: &'static str, value: Option<&String>) -> Result<String, FlagError> {
    let value = value.filter(|value| !value.is_empty());
    value.cloned().ok_or(FlagError::RequiredWithoutDev { flag })
}
