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

use super::{Matched, binding::Body, json};
use crate::{pb::v1::ErrorReason, rpc::failure::Failure};

/// Members under their JSON names, each only once.
type Object = Map<String, Value>;

/// How many mistakes an answer names: a request could make it many times as large as itself.
const MAX_MISTAKES: usize = 100;
/// How much of a name they show.
const MAX_NAME_CHARS: usize = 256;

/// What is wrong with a request.
#[derive(Debug, Default)]
struct Mistakes(Vec<(ErrorReason, String, String)>);

impl Mistakes {
    fn note(&mut self, reason: ErrorReason, place: &str, detail: &str) {
        if self.0.len() < MAX_MISTAKES {
            let place = match place.char_indices().nth(MAX_NAME_CHARS) {
                Some((end, _)) => format!("{}…", place.get(..end).unwrap_or_default()),
                None => place.to_owned(),
            };
            self.0.push((reason, place, detail.to_owned()));
        }
    }
}

/// Makes the message of a call.
///
/// # Errors
/// The unknown members, parameters and malformed parameters; or the first member of a wrong type.
pub(super) fn message(matched: &Matched, body: Option<Value>) -> Result<DynamicMessage, Failure> {
    let input = matched.binding.method.descriptor.input();
    let mut mistakes = Mistakes::default();
    let mut object = body_members(matched, &input, body, &mut mistakes)?;
    query_members(matched, &input, &mut object, &mut mistakes);
    for (path, value) in matched.binding.variables().zip(&matched.variables) {
        insert(&mut object, path, value, &mut mistakes);
    }
    for field in input.fields() {
        if let Some(header) = header_of(&field)
            && let Some(value) = matched.headers.get(&header)
        {
            let text = String::from_utf8_lossy(value.as_bytes());
            insert(&mut object, &[field], &text, &mut mistakes);
        }
    }
    if mistakes.0.is_empty() {
        read(&input, Value::Object(object))
    } else {
        Err(Failure::fields(mistakes.0))
    }
}

fn body_members(
    matched: &Matched,
    input: &MessageDescriptor,
    body: Option<Value>,
    mistakes: &mut Mistakes,
) -> Result<Object, Failure> {
    let members = match (&matched.binding.body, body) {
        (Body::None, _) | (_, None) => return Ok(Object::new()),
        (Body::Message, Some(body)) => canonical(input, body, &mut String::new(), mistakes),
        // No other member of the message can come with the body. A field that is absent is not what `null` says here.
        (Body::Field(field), Some(Value::Null)) => return Err(wrong_type("body", field)),
        (Body::Field(field), Some(value)) => {
            let name = field.json_name().to_owned();
            let value = canonical_field(field, value, &mut name.clone(), mistakes);
            Value::Object(Object::from_iter([(name, value)]))
        }
    };
    match members {
        Value::Object(members) => Ok(members),
        _ => Err(Failure::field(
            ErrorReason::InvalidField,
            "body",
            "must be an object",
        )),
    }
}

/// The members of a message under their JSON names. Notes, and leaves out, those that the message does not have, and
/// those that are there under both of their names.
fn canonical(
    message: &MessageDescriptor,
    value: Value,
    place: &mut String,
    mistakes: &mut Mistakes,
) -> Value {
    let Value::Object(members) = value else {
        return value;
    };
    let mut object = Object::new();
    for (name, value) in members {
        let separator = if place.is_empty() { "" } else { "." };
        within(place, &[separator, &name], |place| match field(message, &name) {
            None if ignores_unknown(message) => {}
            None => mistakes.note(
                ErrorReason::UnknownField,
                place,
                "is not a member of this request",
            ),
            Some(field) if object.contains_key(field.json_name()) => mistakes.note(
                ErrorReason::InvalidField,
                place,
                "is there twice, under both of its names",
            ),
            Some(field) => {
                let value = canonical_field(&field, value, place, mistakes);
                object.insert(field.json_name().to_owned(), value);
            }
        });
    }
    object.into()
}

fn canonical_field(
    field: &FieldDescriptor,
    value: Value,
    place: &mut String,
    mistakes: &mut Mistakes,
) -> Value {
    let Some(inner) = inner_message(field) else {
        return value;
    };
    match value {
        Value::Object(entries) if field.is_map() => entries
            .into_iter()
            .map(|(key, value)| {
                let step = [".", &key];
                let value = within(place, &step, |place| canonical(&inner, value, place, mistakes));
                (key, value)
            })
            .collect(),
        Value::Array(elements) if field.is_list() => elements
            .into_iter()
            .enumerate()
            .map(|(index, element)| {
                let step = ["[", &index.to_string(), "]"];
                within(place, &step, |place| canonical(&inner, element, place, mistakes))
            })
            .collect(),
        value if is_single(field) => canonical(&inner, value, place, mistakes),
        // Of the wrong type, which reading will tell.
        value => value,
    }
}

/// Works at a place inside of another. Many places may share a long beginning, so it is not copied.
fn within<T>(place: &mut String, step: &[&str], work: impl FnOnce(&mut String) -> T) -> T {
    let length = place.len();
    place.extend(step.iter().copied());
    let done = work(place);
    place.truncate(length);
    done
}

/// The message that a field, or each of its elements or entries, is: if its JSON is an object of its fields.
fn inner_message(field: &FieldDescriptor) -> Option<MessageDescriptor> {
    let kind = element_kind(field);
    let message = kind.as_message()?;
    // Well-known types have JSON forms of their own, but for that without fields.
    let is_plain =
        message.package_name() != "google.protobuf" || message.full_name() == "google.protobuf.Empty";
    is_plain.then(|| message.clone())
}

fn element_kind(field: &FieldDescriptor) -> Kind {
    match field.kind() {
        Kind::Message(entry) if field.is_map() => entry.map_entry_value_field().kind(),
        kind => kind,
    }
}

/// Whether a field is neither a list nor a map.
fn is_single(field: &FieldDescriptor) -> bool {
    field.cardinality() != Cardinality::Repeated
}

fn query_members(matched: &Matched, input: &MessageDescriptor, object: &mut Object, mistakes: &mut Mistakes) {
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
            mistakes.note(ErrorReason::InvalidField, &name, "is not percent-encoded UTF-8");
            continue;
        };
        match parameter(matched, input, &name) {
            None => mistakes.note(
                ErrorReason::UnknownField,
                &name,
                "is not a parameter of this request",
            ),
            Some(path) if !seen.insert(place_of(&path)) && path.last().is_some_and(is_single) => {
                mistakes.note(ErrorReason::InvalidField, &name, "is repeated");
            }
            Some(path) => insert(object, &path, &value, mistakes),
        }
    }
}

/// The path to the field that a query parameter fills: any that can be written as a text, and that neither the path, the
/// body nor a header fills.
fn parameter(matched: &Matched, input: &MessageDescriptor, name: &str) -> Option<Vec<FieldDescriptor>> {
    let names: Vec<&str> = name.split('.').take(json::MAX_DEPTH + 1).collect();
    if names.len() > json::MAX_DEPTH {
        return None;
    }
    let path = walk(input, names, field)?;
    let in_body = match &matched.binding.body {
        Body::None => false,
        Body::Message => true,
        Body::Field(field) => path.first() == Some(field),
    };
    let in_path = matched.binding.variables().any(|variable| variable == path);
    (!in_body && !in_path).then_some(path)
}

/// The fields on the way to one that can be written as a text, each but the last of which is a single message.
pub(super) fn walk<'a>(
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

fn is_textual(field: &FieldDescriptor) -> bool {
    match field.kind() {
        Kind::Message(message) => matches!(
            message.full_name(),
            "google.protobuf.Timestamp" | "google.protobuf.Duration" | "google.protobuf.FieldMask"
        ),
        _ => true,
    }
}

fn place_of(path: &[FieldDescriptor]) -> String {
    let names: Vec<&str> = path.iter().map(FieldDescriptor::json_name).collect();
    names.join(".")
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

/// Puts a text from the path, the query or a header where its field is, in place of what the body says.
fn insert(object: &mut Object, path: &[FieldDescriptor], text: &str, mistakes: &mut Mistakes) {
    let Some((field, parents)) = path.split_last() else {
        return;
    };
    let mut target = object;
    for parent in parents {
        let entry = target.entry(parent.json_name()).or_insert(Value::Null);
        if entry.is_null() {
            *entry = Object::new().into();
        }
        let Value::Object(inner) = entry else {
            // Of the wrong type, which reading will tell.
            return;
        };
        target = inner;
    }
    match (scalar(field, text), target.get_mut(field.json_name())) {
        (None, _) => {
            let detail = format!("must be {}", expected(&field.kind()));
            mistakes.note(malformed(field), &place_of(path), &detail);
        }
        (Some(value), Some(Value::Array(elements))) if field.is_list() => elements.push(value),
        (Some(value), _) if field.is_list() => {
            target.insert(field.json_name().to_owned(), Value::Array(vec![value]));
        }
        (Some(value), _) => {
            target.insert(field.json_name().to_owned(), value);
        }
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

fn read(input: &MessageDescriptor, value: Value) -> Result<DynamicMessage, Failure> {
    let mut track = Track::new();
    let tracked = Deserializer::new(value, &mut track);
    DynamicMessage::deserialize_with_options(input.clone(), tracked, &DeserializeOptions::new()).map_err(
        |_| {
            let path = track.path();
            let detail = expected_at(input, &path).map_or("has the wrong type".to_owned(), |type_| {
                format!("must be {type_}")
            });
            Failure::field(ErrorReason::InvalidField, path.to_string(), detail)
        },
    )
}

fn wrong_type(place: &str, field: &FieldDescriptor) -> Failure {
    let detail = format!("must be {}", expected_of(field));
    Failure::field(ErrorReason::InvalidField, place, detail)
}

/// What a value at a path of a message must be, for people.
fn expected_at(message: &MessageDescriptor, path: &Path) -> Option<&'static str> {
    let mut message = Some(message.clone());
    // The kind of the elements or entries, right behind the name of a list or map.
    let mut element = None;
    let mut type_ = None;
    for segment in path {
        let kind = match (segment, element.take()) {
            (Segment::Seq { .. } | Segment::Map { .. }, Some(kind)) => {
                type_ = Some(expected(&kind));
                kind
            }
            (Segment::Map { key }, None) => {
                let field = message.take()?.get_field_by_json_name(key)?;
                type_ = Some(expected_of(&field));
                element = (!is_single(&field)).then(|| element_kind(&field));
                field.kind()
            }
            _ => return None,
        };
        message = kind.as_message().cloned();
    }
    type_
}

fn expected_of(field: &FieldDescriptor) -> &'static str {
    if field.is_map() {
        "an object"
    } else if field.is_list() {
        "an array"
    } else {
        expected(&field.kind())
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
