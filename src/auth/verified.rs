//! Tokens that were verified before, so that a signature is checked once and not at each call.

use std::time::{SystemTime, UNIX_EPOCH};

use quick_cache::sync::Cache;

use super::Caller;
use crate::domain::digest::{Sha256, sha256};

/// How many tokens are remembered.
const MAX_TOKENS: usize = 10_000;

/// The digest of a token, by which it is remembered: the token itself is kept nowhere.
pub(super) type TokenDigest = Sha256;

/// Contexts of verified tokens, up to 10,000. The least used are forgotten first.
#[derive(Debug)]
pub(super) struct VerifiedTokens(Cache<TokenDigest, Verified>);

#[derive(Debug, Clone)]
struct Verified {
    context: Caller,
    /// In seconds since 1970, with the leeway.
    expires: f64,
}

impl Default for VerifiedTokens {
    fn default() -> Self {
        Self(Cache::new(MAX_TOKENS))
    }
}

pub(super) fn token_digest(token: &str) -> TokenDigest {
    sha256(token.as_bytes())
}

impl VerifiedTokens {
    /// What a token says, if it was verified before and has not expired since.
    #[expect(
        clippy::disallowed_methods,
        reason = "the cache owns the expiry of its entries"
    )]
    pub(super) fn get(&self, token: &TokenDigest) -> Option<Caller> {
        let verified = self.0.get(token)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
        (now.as_secs_f64() < verified.expires).then_some(verified.context)
    }

    pub(super) fn insert(&self, token: TokenDigest, context: Caller, expires: f64) {
        self.0.insert(token, Verified { context, expires });
    }
}
