//! Paths to the fields of a message, as path templates and query parameters name them.

use prost_reflect::{Cardinality, FieldDescriptor, Kind, MessageDescriptor};

use crate::pb::Method;

/// Resolves a path to a field that can be written as text. Every other field on the path must be a single message.
pub(super) fn resolve<'a>(
    message: &MessageDescriptor,
    names: impl IntoIterator<Item = &'a str>,
    find: impl Fn(&MessageDescriptor, &str) -> Option<FieldDescriptor>,
) -> Option<Vec<FieldDescriptor>> {
    let mut message = Some(message.clone());
    let mut path = Vec::new();
    for name in names {
        let field = find(&message?, name)?;
        message = inner_message(&field).filter(|_| is_single(&field));
        path.push(field);
    }
    path.last().is_some_and(is_textual).then_some(path)
}

/// Finds a field by its JSON name or its name in the proto, unless a header fills it.
pub(super) fn find_field(
    method: &Method,
    message: &MessageDescriptor,
    name: &str,
) -> Option<FieldDescriptor> {
    message
        .get_field_by_json_name(name)
        .or_else(|| message.get_field_by_name(name))
        .filter(|field| !method.is_header_field(field))
}

/// Returns the name of a path in errors: its JSON names, separated by dots.
pub(super) fn name(path: &[FieldDescriptor]) -> String {
    let names: Vec<&str> = path.iter().map(FieldDescriptor::json_name).collect();
    names.join(".")
}

/// Returns the message type of a field, or of its elements or entries, if its JSON is an object with a member per field.
pub(super) fn inner_message(field: &FieldDescriptor) -> Option<MessageDescriptor> {
    let kind = element_kind(field);
    let message = kind.as_message()?;
    // The other well-known types have JSON forms of their own.
    let is_plain =
        message.package_name() != "google.protobuf" || message.full_name() == "google.protobuf.Empty";
    is_plain.then(|| message.clone())
}

/// Returns the type of a field, or of its elements or the values of its entries.
pub(super) fn element_kind(field: &FieldDescriptor) -> Kind {
    match field.kind() {
        Kind::Message(entry) if field.is_map() => entry.map_entry_value_field().kind(),
        kind => kind,
    }
}

/// Returns `true` if a field is neither a list nor a map.
pub(super) fn is_single(field: &FieldDescriptor) -> bool {
    field.cardinality() != Cardinality::Repeated
}

fn is_textual(field: &FieldDescriptor) -> bool {
    match field.kind() {
        Kind::Message(message) => matches!(
            message.full_name(),
            "google.protobuf.Timestamp" | "google.protobuf.Duration" | "google.protobuf.FieldMask"
        ),
        _ => true,
    }
}
