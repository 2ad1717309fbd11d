//! Reads JSON as a message, and names the type that a value should have had.

use prost_reflect::{DeserializeOptions, DynamicMessage, FieldDescriptor, MessageDescriptor};
use serde_json::Value;
use serde_path_to_error::{Deserializer, Path, Segment, Track};

use crate::{
    gateway::field_path::{element_kind, is_single},
    pb::{type_name, v1::ErrorReason},
    rpc::failure::Failure,
};

/// Reads a message.
///
/// # Errors
/// Returns the first member of a wrong type.
pub(super) fn read(message: &MessageDescriptor, value: Value) -> Result<DynamicMessage, Failure> {
    let mut track = Track::new();
    let tracked = Deserializer::new(value, &mut track);
    DynamicMessage::deserialize_with_options(message.clone(), tracked, &DeserializeOptions::new()).map_err(
        |_| {
            let path = track.path();
            match type_at(message, &path) {
                Some(type_name) => failure(&path.to_string(), type_name),
                None => Failure::field(ErrorReason::InvalidField, path.to_string(), "has the wrong type"),
            }
        },
    )
}

pub(super) fn failure(name: &str, type_name: &str) -> Failure {
    Failure::field(ErrorReason::InvalidField, name, format!("must be {type_name}"))
}

/// Returns the name of the type of a field.
pub(super) fn field_type(field: &FieldDescriptor) -> &'static str {
    if field.is_map() {
        "an object"
    } else if field.is_list() {
        "an array"
    } else {
        type_name(&field.kind())
    }
}

/// Returns the name of the type of the value at a path.
fn type_at(message: &MessageDescriptor, path: &Path) -> Option<&'static str> {
    let mut message = Some(message.clone());
    // The type of the elements or entries, directly after the name of a list or map.
    let mut element = None;
    let mut expected = None;
    for segment in path {
        let kind = match (segment, element.take()) {
            (Segment::Seq { .. } | Segment::Map { .. }, Some(kind)) => {
                expected = Some(type_name(&kind));
                kind
            }
            (Segment::Map { key }, None) => {
                let field = message.take()?.get_field_by_json_name(key)?;
                expected = Some(field_type(&field));
                element = (!is_single(&field)).then(|| element_kind(&field));
                field.kind()
            }
            _ => return None,
        };
        message = kind.as_message().cloned();
    }
    expected
}
