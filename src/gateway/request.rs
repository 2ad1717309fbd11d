//! The message that a request stands for, from its body, query, path and headers.
//!
//! They are put together as one JSON object, which is then read as the message: so there is one place that knows what
//! a value of a field looks like.

use std::collections::HashSet;

use percent_encoding::percent_decode;
use prost_reflect::{
    Cardinality, DescriptorPool, DeserializeOptions, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor,
};
use serde_json::{Map, Number, Value};
use serde_path_to_error::{Deserializer, Path, Segment, Track};

use super::{Matched, binding::Body};
use crate::{pb::v1::ErrorReason, rpc::status::Failure};

type Object = Map<String, Value>;
type Found = Vec<(ErrorReason, String, String)>;

/// Makes the message of a call.
///
/// # Errors
/// Every unknown member, parameter and malformed parameter; or the first member of a wrong type.
pub(super) fn message(matched: &Matched, body: Option<Value>) -> Result<DynamicMessage, Failure> {
    let input = matched.binding.method.descriptor.input();
    let mut found = Found::new();
    let mut object = body_members(matched, &input, body, &mut found)?;
    query_members(matched, &input, &mut object, &mut found);
    for (path, value) in matched.binding.variables().zip(&matched.variables) {
        insert(&mut object, &input, path, value, &mut found);
    }
    for field in input.fields() {
        if let Some(header) = header_of(&field)
            && let Some(value) = matched.headers.get(&header)
        {
            let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
            object.insert(field.json_name().to_owned(), text.into());
        }
    }
    if found.is_empty() {
        read(input, Value::Object(object))
    } else {
        Err(Failure::fields(found))
    }
}

fn body_members(
    matched: &Matched,
    input: &MessageDescriptor,
    body: Option<Value>,
    found: &mut Found,
) -> Result<Object, Failure> {
    let body = match (&matched.binding.body, body) {
        (Body::None, _) | (_, None) => return Ok(Object::new()),
        (Body::Message, Some(body)) => body,
        // No other member of the message can come with the body. A field that is absent is not what `null` says here.
        (Body::Field(field), Some(Value::Null)) => return Err(wrong_type("body", field)),
        (Body::Field(field), Some(value)) => {
            Value::Object(Object::from_iter([(field.json_name().to_owned(), value)]))
        }
    };
    check_members(input, &body, "", found);
    match body {
        Value::Object(object) => Ok(object),
        _ => Err(Failure::field(
            ErrorReason::InvalidField,
            "body",
            "must be an object",
        )),
    }
}

/// Notes the members of a JSON value that its message does not have, or that are there under both of their names.
fn check_members(message: &MessageDescriptor, value: &Value, path: &str, found: &mut Found) {
    // Well-known types have JSON forms of their own.
    if message.package_name() == "google.protobuf" {
        return;
    }
    let Value::Object(members) = value else {
        return;
    };
    let mut seen = HashSet::new();
    for (name, value) in members {
        let separator = if path.is_empty() { "" } else { "." };
        let place = format!("{path}{separator}{name}");
        match field(message, name) {
            None if ignores_unknown(message) => {}
            None => found.push((
                ErrorReason::UnknownField,
                place,
                "is not a member of this request".to_owned(),
            )),
            Some(field) if !seen.insert(field.number()) => {
                found.push((
                    ErrorReason::InvalidField,
                    place,
                    "is there twice, under both of its names".to_owned(),
                ));
            }
            Some(field) => check_field(&field, value, &place, found),
        }
    }
}

fn check_field(field: &FieldDescriptor, value: &Value, place: &str, found: &mut Found) {
    let Kind::Message(inner) = field.kind() else {
        return;
    };
    match value {
        Value::Object(entries) if field.is_map() => {
            if let Kind::Message(inner) = inner.map_entry_value_field().kind() {
                for (key, value) in entries {
                    check_members(&inner, value, &format!("{place}.{key}"), found);
                }
            }
        }
        Value::Array(elements) if field.is_list() => {
            for (index, element) in elements.iter().enumerate() {
                check_members(&inner, element, &format!("{place}[{index}]"), found);
            }
        }
        value => check_members(&inner, value, place, found),
    }
}

fn query_members(matched: &Matched, input: &MessageDescriptor, object: &mut Object, found: &mut Found) {
    let mut seen = HashSet::new();
    for pair in matched
        .query
        .as_deref()
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty())
    {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (Some(name), Some(value)) = (form_decode(name), form_decode(value)) else {
            let name = form_decode(name).unwrap_or_else(|| "query".to_owned());
            found.push((
                ErrorReason::InvalidField,
                name,
                "is not percent-encoded UTF-8".to_owned(),
            ));
            continue;
        };
        let Some((path, field)) = parameter(matched, input, &name) else {
            found.push((
                ErrorReason::UnknownField,
                name,
                "is not a parameter of this request".to_owned(),
            ));
            continue;
        };
        if !seen.insert(path.clone()) && !field.is_list() {
            found.push((ErrorReason::InvalidField, name, "is repeated".to_owned()));
            continue;
        }
        insert(object, input, &path, &value, found);
    }
}

/// The field that a query parameter fills, with its path of proto names: any that can be written as a text, and that
/// neither the path, the body nor a header fills.
fn parameter(
    matched: &Matched,
    input: &MessageDescriptor,
    name: &str,
) -> Option<(Vec<String>, FieldDescriptor)> {
    let mut path = Vec::new();
    let mut message = Some(input.clone());
    let mut last = None;
    for step in name.split('.') {
        let field = field(&message?, step)?;
        path.push(field.name().to_owned());
        message = match field.kind() {
            Kind::Message(inner) if !field.is_list() => Some(inner),
            _ => None,
        };
        last = Some(field);
    }
    let in_body = match &matched.binding.body {
        Body::None => false,
        Body::Message => true,
        Body::Field(field) => path.first().is_some_and(|first| first == field.name()),
    };
    let in_path = matched.binding.variables().any(|variable| variable == path);
    let field = last.filter(|field| !in_body && !in_path && is_textual(field))?;
    Some((path, field))
}

fn is_textual(field: &FieldDescriptor) -> bool {
    match field.kind() {
        Kind::Message(message) => {
            !field.is_map()
                && matches!(
                    message.full_name(),
                    "google.protobuf.Timestamp" | "google.protobuf.Duration" | "google.protobuf.FieldMask"
                )
        }
        _ => true,
    }
}

/// Undoes form-encoding. Nothing for a broken escape, or what is no UTF-8.
fn form_decode(text: &str) -> Option<String> {
    let hex = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_hexdigit);
    let bytes = text.as_bytes();
    let whole = bytes
        .iter()
        .enumerate()
        .all(|(at, byte)| *byte != b'%' || hex(bytes.get(at + 1)) && hex(bytes.get(at + 2)));
    let spaced = text.replace('+', " ");
    whole.then(|| {
        percent_decode(spaced.as_bytes())
            .decode_utf8()
            .ok()
            .map(Into::into)
    })?
}

/// Puts a text from the path or the query where its field is.
fn insert(object: &mut Object, input: &MessageDescriptor, path: &[String], text: &str, found: &mut Found) {
    let Some((last, parents)) = path.split_last() else {
        return;
    };
    let mut message = input.clone();
    let mut target = object;
    for name in parents {
        let Some(field) = message.get_field_by_name(name) else {
            return;
        };
        let entry = target
            .entry(field.json_name())
            .or_insert_with(|| Object::new().into());
        let (Value::Object(inner), Kind::Message(inner_message)) = (entry, field.kind()) else {
            return;
        };
        target = inner;
        message = inner_message;
    }
    let Some(field) = message.get_field_by_name(last) else {
        return;
    };
    let Some(value) = scalar(&field, text) else {
        found.push((
            malformed(&field),
            field.json_name().to_owned(),
            format!("must be {}", expected(&field.kind())),
        ));
        return;
    };
    // A member of the body gives way to the path, under whichever name it came.
    target.remove(field.name());
    if field.is_list() {
        if let Value::Array(list) = target
            .entry(field.json_name())
            .or_insert_with(|| Value::Array(Vec::new()))
        {
            list.push(value);
        }
    } else {
        target.insert(field.json_name().to_owned(), value);
    }
}

/// The JSON of a value that came as text.
fn scalar(field: &FieldDescriptor, text: &str) -> Option<Value> {
    let starts_number = text.starts_with(|c: char| c.is_ascii_digit() || c == '-');
    match field.kind() {
        Kind::Bool => text.parse::<bool>().ok().map(Value::from),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => text
            .parse::<i32>()
            .ok()
            .filter(|_| starts_number)
            .map(Value::from),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => text
            .parse::<i64>()
            .ok()
            .filter(|_| starts_number)
            .map(Value::from),
        Kind::Uint32 | Kind::Fixed32 => text
            .parse::<u32>()
            .ok()
            .filter(|_| starts_number)
            .map(Value::from),
        Kind::Uint64 | Kind::Fixed64 => text
            .parse::<u64>()
            .ok()
            .filter(|_| starts_number)
            .map(Value::from),
        Kind::Double | Kind::Float => text.parse().ok().and_then(Number::from_f64).map(Value::Number),
        Kind::Enum(values) => values.get_value_by_name(text).map(|_| text.into()),
        Kind::String | Kind::Bytes | Kind::Message(_) => Some(text.into()),
    }
}

/// A member by either of its names, unless a header fills it.
fn field(message: &MessageDescriptor, name: &str) -> Option<FieldDescriptor> {
    message
        .get_field_by_json_name(name)
        .or_else(|| message.get_field_by_name(name))
        .filter(|field| header_of(field).is_none())
}

fn header_of(field: &FieldDescriptor) -> Option<String> {
    let option = field
        .parent_pool()
        .get_extension_by_name("oauth_clients.v1.header")?;
    let options = field.options();
    let header = options
        .has_extension(&option)
        .then(|| options.get_extension(&option).into_owned())?;
    header.as_str().map(str::to_owned)
}

fn malformed(field: &FieldDescriptor) -> ErrorReason {
    let pool: &DescriptorPool = field.parent_pool();
    pool.get_extension_by_name("oauth_clients.v1.malformed")
        .and_then(|option| field.options().get_extension(&option).as_enum_number())
        .and_then(|number| ErrorReason::try_from(number).ok())
        .filter(|reason| *reason != ErrorReason::Unspecified)
        .unwrap_or(ErrorReason::InvalidField)
}

fn ignores_unknown(message: &MessageDescriptor) -> bool {
    message
        .parent_pool()
        .get_extension_by_name("oauth_clients.v1.ignore_unknown_members")
        .is_some_and(|option| message.options().get_extension(&option).as_bool() == Some(true))
}

fn read(input: MessageDescriptor, value: Value) -> Result<DynamicMessage, Failure> {
    let mut track = Track::new();
    let options = DeserializeOptions::new().deny_unknown_fields(false);
    let tracked = Deserializer::new(value, &mut track);
    DynamicMessage::deserialize_with_options(input.clone(), tracked, &options).map_err(|_| {
        let path = track.path();
        let detail = expected_at(&input, &path).map_or("has the wrong type".to_owned(), |type_| {
            format!("must be {type_}")
        });
        Failure::field(ErrorReason::InvalidField, path.to_string(), detail)
    })
}

fn wrong_type(place: &str, field: &FieldDescriptor) -> Failure {
    let detail = format!("must be {}", expected_of(field));
    Failure::field(ErrorReason::InvalidField, place, detail)
}

/// What a value at a path of a message must be, for people.
fn expected_at(message: &MessageDescriptor, path: &Path) -> Option<String> {
    let mut message = Some(message.clone());
    let mut expected_type = None;
    let mut element = None;
    for segment in path {
        match segment {
            Segment::Map { key } => {
                let field = field(&message?, key)?;
                expected_type = Some(expected_of(&field));
                element = Some(expected(&field.kind()));
                message = match field.kind() {
                    Kind::Message(inner) => Some(inner),
                    _ => None,
                };
            }
            Segment::Seq { .. } => expected_type = element.map(str::to_owned),
            Segment::Enum { .. } | Segment::Unknown => return None,
        }
    }
    expected_type
}

fn expected_of(field: &FieldDescriptor) -> String {
    if field.is_map() {
        "an object".to_owned()
    } else if field.cardinality() == Cardinality::Repeated {
        "an array".to_owned()
    } else {
        expected(&field.kind()).to_owned()
    }
}

fn expected(kind: &Kind) -> &'static str {
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
