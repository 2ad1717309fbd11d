//! The rules for the operations of a patch (RFC 6902).

use thiserror::Error;

use super::{
    closed_set::{closed_set, one_of},
    timestamp::InvalidTimestamp,
};

closed_set! {
    /// An operation of RFC 6902 section 4 that is supported here.
    pub enum PatchOp {
        /// Sets a member, or inserts an element into an array.
        Add = "add",
        /// Sets a member, or replaces an element of an array.
        Replace = "replace",
        /// Removes a member, or an element of an array.
        Remove = "remove",
    }
}

/// A rule for an operation of a patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PatchRule {
    /// The patch has too many operations.
    #[error("must have at most {MAX_OPERATIONS} operations")]
    TooManyOperations,
    /// The operation is unknown or not supported.
    #[error("must be {}", one_of(PatchOp::NAMES))]
    UnknownOperation,
    /// The path is malformed, unknown or immutable.
    #[error("cannot be patched")]
    NotPatchable,
    /// The member to remove is absent.
    #[error("cannot be removed: it is not set")]
    NothingToRemove,
    /// The index is malformed (RFC 6901 section 4) or outside of the array (RFC 6902 section 4.1).
    #[error("does not name an element of the array")]
    NoSuchElement,
    /// The operation needs a value and has none.
    #[error("is required for {} and {}", PatchOp::Add, PatchOp::Replace)]
    MissingValue,
    /// The value is of another type.
    #[error("must be {expected}")]
    WrongType {
        /// The type with its article, for the error text.
        expected: &'static str,
    },
    /// The value is not an RFC 3339 timestamp.
    #[error("{}", InvalidTimestamp)]
    NotATimestamp,
    /// The value lies in the future.
    #[error("must not be in the future")]
    InTheFuture,
}

/// The maximum number of operations of a patch.
pub const MAX_OPERATIONS: usize = 100;
