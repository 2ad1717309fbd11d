//! The form of responses and errors.

mod errors;
mod many_violations;
mod members;
mod operations;
mod reflection;
