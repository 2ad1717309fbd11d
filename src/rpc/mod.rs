//! The gRPC transport: the stack that every call passes, and the handlers behind it.

mod call;
pub mod client_authentication;
pub mod convert;
pub(crate) mod frame;
pub mod oauth_client;
pub mod stack;
pub mod status;
