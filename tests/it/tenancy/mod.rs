//! The separation of tenants.

mod isolation;
mod random_walk;
