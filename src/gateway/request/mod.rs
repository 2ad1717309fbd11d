//! The message of a request, from its body, query, path and headers.
//!
//! They are merged into one JSON object, which is then read as the message, so that the JSON form of a value is known in
//! one place only.

mod body;
mod draft;
mod header;
mod path;
mod query;
mod typed;
mod violations;

use prost_reflect::DynamicMessage;
use serde_json::Value;

use self::draft::Draft;
use super::matched::Matched;
use crate::rpc::failure::Failure;

/// Returns the message of a request.
///
/// # Errors
/// Returns every unknown member, unknown parameter and malformed parameter; or else the first member of a wrong type.
pub(super) fn message(matched: &Matched, body: Option<Value>) -> Result<DynamicMessage, Failure> {
    let binding = &matched.binding;
    let mut draft = Draft::new(binding.method);
    body::fill(&mut draft, binding, body)?;
    query::fill(&mut draft, binding, matched.query.as_deref().unwrap_or_default());
    path::fill(&mut draft, matched);
    header::fill(&mut draft, &matched.headers);
    draft.into_message()
}
