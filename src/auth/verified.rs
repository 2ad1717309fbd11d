//! A cache of verified tokens, so that a signature is checked once and not with each request.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use quick_cache::sync::Cache;

use super::Caller;

/// The most tokens in the cache.
const MAX_TOKENS: usize = 10_000;

/// The digest of a token, which is the key in the cache: the token itself is kept nowhere.
pub(super) type TokenDigest = [u8; SHA256_OUTPUT_LEN];

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
    let mut bytes = [0; SHA256_OUTPUT_LEN];
    bytes.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    bytes
}

impl VerifiedTokens {
    /// Returns the caller of a token that was verified before and has not expired.
    pub(super) fn get(&self, token: &TokenDigest) -> Option<Caller> {
        let verified = self.0.get(token)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
        (now.as_secs_f64() < verified.expires).then_some(verified.caller)
    }

    pub(super) fn insert(&self, token: TokenDigest, caller: Caller, expires: f64) {
        self.0.insert(token, Verified { caller, expires });
    }
}
