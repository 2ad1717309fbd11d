//! Creating a client.

mod accepted;
mod rules;
