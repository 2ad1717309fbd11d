//! The gRPC transport: the stack that every call passes, and the handlers behind it.

mod call;
pub mod client_authentication;
pub mod convert;
pub mod failure;
pub mod oauth_client;
pub mod stack;
