//! The reasons not to start with a set of protos.

use thiserror::Error;

/// An error in the options of the protos, with which the server does not start.
#[derive(Debug, Error)]
pub enum PolicyError {
    /// The compiled descriptors are malformed.
    #[error("the compiled descriptors cannot be read")]
    Descriptors(#[from] prost_reflect::DescriptorError),
    /// An option does not have the type that the code expects.
    #[error("an option of the protos cannot be read")]
    Option(#[from] prost::DecodeError),
    /// The protos do not define an option or enum that the code needs.
    #[error("the protos do not define {name}")]
    Undefined {
        /// The name of the option or enum.
        name: &'static str,
    },
    /// The policy of a method or service is incomplete.
    #[error("{name} has no access, rate tier or success status in its policy")]
    NoPolicy {
        /// The full name of the method or service.
        name: String,
    },
    /// The policy of an error reason is incomplete.
    #[error("{name} has no code, HTTP status or title")]
    NoReasonPolicy {
        /// The name of the enum value.
        name: String,
    },
    /// A header cannot fill the field that names it.
    #[error("the header of {field} is malformed, or the field is not one of a request itself")]
    Header {
        /// The full name of the field.
        field: String,
    },
}
