//! Values of fields that are written as text: in paths, queries, headers and metadata.

use prost_reflect::{FieldDescriptor, Kind};
use serde_json::{Number, Value};

/// Returns the JSON of a value that is written as text, or `None` if it is not a value of the field.
pub(crate) fn parse(field: &FieldDescriptor, text: &str) -> Option<Value> {
    match field.kind() {
        Kind::Bool => text.parse::<bool>().ok().map(Value::from),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => whole_number::<i32>(text),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => whole_number::<i64>(text),
        Kind::Uint32 | Kind::Fixed32 => whole_number::<u32>(text),
        Kind::Uint64 | Kind::Fixed64 => whole_number::<u64>(text),
        Kind::Double | Kind::Float => text.parse().ok().and_then(Number::from_f64).map(Value::Number),
        Kind::Enum(values) => values.get_value_by_name(text).map(|_| text.into()),
        Kind::String | Kind::Bytes | Kind::Message(_) => Some(text.into()),
    }
}

/// Parses a number, without the leading `+` that Rust allows and JSON does not.
fn whole_number<T: std::str::FromStr + Into<Value>>(text: &str) -> Option<Value> {
    let number = text.parse::<T>().ok()?;
    (!text.starts_with('+')).then(|| number.into())
}

/// Returns the name of a type for people, as in "must be a string".
pub(crate) fn type_name(kind: &Kind) -> &'static str {
    match kind {
        Kind::Bool => "true or false",
        Kind::String => "a string",
        Kind::Bytes => "a base64 string",
        Kind::Double | Kind::Float => "a number",
        Kind::Enum(_) => "a name of the enum",
        Kind::Message(message) if message.full_name() == "google.protobuf.Timestamp" => {
            "an RFC 3339 timestamp"
        }
        Kind::Message(_) => "an object",
        _ => "a whole number",
    }
}
