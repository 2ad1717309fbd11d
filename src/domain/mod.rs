//! The rules of OAuth clients. This module is pure: it has no I/O, no protobuf and no SQL, and takes the time and random
//! bytes as parameters.
//!
//! Its modules form layers. A module uses only modules of the layers below, or an earlier one of its own layer:
//!
//! 1. values: identifiers, texts, URIs, keys, JWTs and closed sets, each with the rules for it
//! 2. `violation`: the broken rules of a request
//! 3. `metadata` and `patch`: the part of a client that an administrator maintains, and changes of it
//! 4. `client`: a client as a whole, `change_type`, and `change_update`; `change_position` and `resume_token`
//! 5. `filter`, `sort`, `page` and `cursor`: lists of clients
//! 6. `change_list`: lists of change records

mod closed_set;
pub(crate) mod digest;
mod origin;
mod redirect_uri;
mod rules;
mod scope;

pub mod app_type;
pub mod auth_method;
pub mod consent_method;
pub mod grant_type;
pub mod idempotency_key;
pub mod ids;
pub mod jwk;
pub mod jwt;
pub mod kept_response;
pub mod patch_rule;
pub mod rejection;
pub mod revision;
pub mod secret;
pub mod text;
pub mod timestamp;
pub mod web_uri;

pub mod violation;

pub mod metadata;
pub mod patch;

pub mod assertion;
pub mod client;

pub mod change_position;
pub mod change_type;
pub mod change_update;
pub mod resume_token;

pub mod cursor;
pub mod filter;
pub mod page;
pub mod sort;

pub mod change_list;
