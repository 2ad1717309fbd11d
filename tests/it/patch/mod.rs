//! Patching a client.

mod operations;
mod rules;
