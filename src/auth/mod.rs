//! Who calls: bearer tokens (RFC 6750, RFC 9068) and what they say.

mod authenticate;
mod context;
pub mod dev_key;
mod keys;
mod token;

pub use authenticate::Authenticate;
pub use context::CallContext;
pub use keys::{KeySet, KeySetError};
pub use token::{TokenError, TokenRules, TokenVerifier};
