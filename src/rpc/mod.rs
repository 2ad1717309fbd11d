//! The gRPC door: the stack that every call passes, and the handlers behind it.

pub mod convert;
pub mod oauth_client;
pub mod stack;
pub mod status;
