//! What an OAuth client is and which rules it keeps. Pure: no I/O, no protobuf, no database, and no clock or random
//! generator of its own; both are parameters.

pub mod assertion;
pub mod client;
pub mod cursor;
pub mod filter;
pub mod ids;
pub mod jwk;
pub mod metadata;
pub mod origin;
pub mod page;
pub mod patch;
pub mod redirect_uri;
pub mod rejection;
pub mod secret;
pub mod sort;
pub mod text;
pub mod timestamp;
pub mod violation;
pub mod web_uri;
