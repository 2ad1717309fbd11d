//! Changes of a client, except patches.

mod concurrency;
mod delete;
mod disable;
mod secrets;
