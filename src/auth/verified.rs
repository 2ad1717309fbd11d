//! A cache of verified tokens, so that a signature is checked once and not with each request.

use std::time::{SystemTime, UNIX_EPOCH};

use quick_cache::sync::Cache;

use super::Caller;
use crate::domain::digest::{Sha256, sha256};

/// The most tokens in the cache.
const MAX_TOKENS: usize = 10_000;

/// The digest of a token, which is the key in the cache: the token itself is kept nowhere.
pub(super) type TokenDigest = Sha256;

/// The callers of up to 10,000 verified tokens. The least used ones are evicted first.
#[derive(Debug)]
pub(super) struct VerifiedTokens(Cache<TokenDigest, Verified>);

#[derive(Debug, Clone)]
struct Verified {
    caller: Caller,
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
    /// Returns the caller of a token that was verified before and has not expired.
    #[expect(
        clippy::disallowed_methods,
        reason = "the cache owns the expiry of its entries"
    )]
    pub(super) fn get(&self, token: &TokenDigest) -> Option<Caller> {
        let verified = self.0.get(token)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
        (now.as_secs_f64() < verified.expires).then_some(verified.caller)
    }

    pub(super) fn insert(&self, token: TokenDigest, caller: Caller, expires: f64) {
        self.0.insert(token, Verified { caller, expires });
    }
}
