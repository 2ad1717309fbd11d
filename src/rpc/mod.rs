//! The gRPC transport: the stack that every request passes, and the handlers behind it.

pub mod client_authentication;
pub mod convert;
mod convert_changes;
pub(crate) mod encoded;
mod environment;
mod etag;
pub mod failure;
pub(crate) mod frame;
pub mod oauth_client;
mod request;
pub mod stack;
