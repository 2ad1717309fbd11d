//! Who calls: bearer tokens (RFC 6750, RFC 9068) and what they say.

mod authenticate;
mod context;
pub mod dev_key;
mod keeper;
mod keys;
mod source;
mod token;
mod verified;

pub use authenticate::Authenticate;
pub use context::Caller;
pub use keeper::{IssuerKeys, KeyKeeper};
pub use keys::{KeySet, KeySetError};
pub use source::{InvalidJwksUrl, JwksUrl, KeyLocation, SourceError};
pub(crate) use token::DEFAULT_TENANT_CLAIM;
pub use token::{TokenError, TokenRules, TokenVerifier};
