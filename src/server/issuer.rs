//! The issuer that a server trusts.

use super::ServerError;
use crate::{
    auth::{IssuerKeys, KeyKeeper, TokenRules, dev_key::DevKey},
    config::Issuer,
};

/// An issuer as the server verifies its tokens. The keeper keeps the keys up to date, unless they never change.
#[derive(Debug)]
pub(super) struct TrustedIssuer {
    pub(super) keys: IssuerKeys,
    pub(super) rules: TokenRules,
    pub(super) keeper: Option<KeyKeeper>,
}

/// Reads the keys of an issuer, except from a URL, which its keeper fetches while the server runs.
pub(super) async fn trusted_issuer(issuer: Issuer) -> Result<TrustedIssuer, ServerError> {
    match issuer {
        Issuer::Development { data_dir } => Ok(TrustedIssuer {
            keys: IssuerKeys::fixed(DevKey::load_or_create(&data_dir)?.key_set()?),
            rules: DevKey::rules(),
            keeper: None,
        }),
        Issuer::External(issuer) => {
            let (keys, keeper) = IssuerKeys::at(issuer.keys, issuer.jwks_refresh).await?;
            Ok(TrustedIssuer {
                keys,
                rules: issuer.rules,
                keeper: Some(keeper),
            })
        }
    }
}
