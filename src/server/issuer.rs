//! Whose tokens a server accepts.

use super::ServerError;
use crate::{
    auth::{IssuerKeys, KeyKeeper, TokenRules, dev_key::DevKey},
    config::Issuer,
};

/// Whose tokens are accepted, and who keeps the keys up to date.
#[derive(Debug)]
pub(super) struct IssuerTrust {
    pub(super) keys: IssuerKeys,
    pub(super) rules: TokenRules,
    pub(super) keeper: Option<KeyKeeper>,
}

pub(super) async fn trust(issuer: &Issuer) -> Result<IssuerTrust, ServerError> {
    match issuer {
        Issuer::Development { data_dir } => Ok(IssuerTrust {
            keys: IssuerKeys::fixed(DevKey::load_or_create(data_dir)?.key_set()?),
            rules: DevKey::rules(),
            keeper: None,
        }),
        Issuer::External {
            issuer,
            audience,
            keys,
            jwks_refresh,
            tenant_claim,
            scope_claim,
            require_at_jwt,
        } => {
            let (keys, keeper) = IssuerKeys::at(keys.clone(), *jwks_refresh).await?;
            let rules = TokenRules {
                issuer: issuer.clone(),
                audience: audience.clone(),
                tenant_claim: tenant_claim.clone(),
                scope_claim: scope_claim.clone(),
                require_at_jwt: *require_at_jwt,
            };
            Ok(IssuerTrust {
                keys,
                rules,
                keeper: Some(keeper),
            })
        }
    }
}
