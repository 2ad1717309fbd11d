//! Bearer tokens: who may call, and which tokens are accepted.

mod access;
mod issuer;
