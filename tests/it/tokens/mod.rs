//! Bearer tokens: scopes, valid and invalid tokens, and the keys of the issuer.

mod access;
mod form;
mod issuer;
mod key_sets;
