//! Authentication: what authorization servers ask about a client.

mod assertion;
mod lookup;
mod secret;
mod uses;
