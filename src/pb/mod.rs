//! The generated code of the protos, and their options, which are read from the compiled descriptors once.

mod error;
mod generated;
mod method;
mod options;
mod policy;
mod protos;
#[cfg(test)]
mod redaction;
mod text;

pub use self::{
    error::PolicyError,
    generated::{google, oauth_clients::v1},
    method::{Method, Service, Target},
    policy::{Access, MethodPolicy, RateTier, ReasonPolicy},
    protos::{DESCRIPTOR_SET, Protos, protos},
};
pub(crate) use self::{
    method::HeaderField,
    text::{parse, type_name},
};

/// The domain of every `google.rpc.ErrorInfo`.
pub const ERROR_DOMAIN: &str = "oauth-clients";
