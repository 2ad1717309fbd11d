//! Verifies the bearer tokens of callers (RFC 6750, RFC 9068).

mod caller;
pub mod dev_key;
mod jwk;
mod keeper;
mod keys;
mod source;
mod token;
mod verified;

pub use caller::Caller;
pub use keeper::{IssuerKeys, KeyKeeper};
pub use keys::{KeySet, KeySetError, UnusableKeys};
pub use source::{InvalidJwksUrl, JwksUrl, KeyLocation, SourceError};
pub(crate) use token::DEFAULT_TENANT_CLAIM;
pub use token::{TokenError, TokenRules, TokenVerifier};
