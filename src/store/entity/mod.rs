//! The tables, as SeaORM sees them.

#![expect(unreachable_pub, reason = "the derives of SeaORM ask for it")]

pub(super) mod change;
pub(super) mod client;
pub(super) mod secret;
