//! Fields that the body fills.

use prost_reflect::{FieldDescriptor, MessageDescriptor};
use serde_json::Value;

use super::{
    draft::{Draft, Object},
    typed,
    violations::Violations,
};
use crate::{
    gateway::{
        binding::{Binding, Body},
        field_path::{find_field, inner_message, is_single},
    },
    pb::v1::ErrorReason,
    rpc::failure::Failure,
};

pub(super) fn fill(draft: &mut Draft, binding: &Binding, body: Option<Value>) -> Result<(), Failure> {
    let Some(body) = body else {
        return Ok(());
    };
    let mut canonical = Canonical {
        binding,
        name: String::new(),
        path: Vec::new(),
        violations: &mut draft.violations,
    };
    match &binding.body {
        Body::None => {}
        Body::Message => match canonical.message(&binding.method.descriptor.input(), body) {
            Value::Object(members) => draft.members = members,
            _ => return Err(typed::failure("body", "an object")),
        },
        // The body is this field alone, so `null` cannot leave it out.
        Body::Field(field) if body.is_null() => return Err(typed::failure("body", typed::field_type(field))),
        Body::Field(field) => {
            let name = field.json_name();
            let value = canonical.within(&[name], |canonical| canonical.field(field, body));
            draft.members.insert(name.to_owned(), value);
        }
    }
    Ok(())
}

/// Gives members their JSON names. Members that a message does not have, or has under both of its names, are violations,
/// and so are those that the path or a header fills.
struct Canonical<'a> {
    binding: &'a Binding,
    /// The path to the current value, without indices and keys.
    path: Vec<FieldDescriptor>,
    /// The name of the current value in errors. It is one buffer, as many values may share a long prefix.
    name: String,
    violations: &'a mut Violations,
}

impl Canonical<'_> {
    fn message(&mut self, message: &MessageDescriptor, value: Value) -> Value {
        let Value::Object(members) = value else {
            return value;
        };
        let mut object = Object::new();
        for (name, value) in members {
            let separator = if self.name.is_empty() { "" } else { "." };
            self.within(&[separator, &name], |canonical| {
                canonical.member(message, &name, value, &mut object);
            });
        }
        object.into()
    }

    fn member(&mut self, message: &MessageDescriptor, name: &str, value: Value, object: &mut Object) {
        let method = self.binding.method;
        let field = find_field(method, message, name).filter(|field| !self.is_variable(field));
        match field {
            None if method.ignores_unknown_members(message) => {}
            None => self.violation(ErrorReason::UnknownField, "is not a member of this request"),
            Some(field) if object.contains_key(field.json_name()) => {
                self.violation(ErrorReason::InvalidField, "is given under both of its names");
            }
            Some(field) => {
                let value = self.field(&field, value);
                object.insert(field.json_name().to_owned(), value);
            }
        }
    }

    /// Returns `true` if the path fills a field of the current value.
    fn is_variable(&self, field: &FieldDescriptor) -> bool {
        self.binding
            .variables()
            .any(|variable| variable.split_last() == Some((field, self.path.as_slice())))
    }

    fn field(&mut self, field: &FieldDescriptor, value: Value) -> Value {
        let Some(inner) = inner_message(field) else {
            return value;
        };
        self.path.push(field.clone());
        let value = self.inner(field, &inner, value);
        self.path.pop();
        value
    }

    fn inner(&mut self, field: &FieldDescriptor, inner: &MessageDescriptor, value: Value) -> Value {
        match value {
            Value::Object(entries) if field.is_map() => entries
                .into_iter()
                .map(|(key, value)| {
                    let value = self.within(&[".", &key], |canonical| canonical.message(inner, value));
                    (key, value)
                })
                .collect(),
            Value::Array(elements) if field.is_list() => elements
                .into_iter()
                .enumerate()
                .map(|(index, element)| {
                    let step = ["[", &index.to_string(), "]"];
                    self.within(&step, |canonical| canonical.message(inner, element))
                })
                .collect(),
            value if is_single(field) => self.message(inner, value),
            // A value of a wrong type is an error when the message is read.
            value => value,
        }
    }

    /// Works on a value within the current one.
    fn within<T>(&mut self, step: &[&str], work: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.name.len();
        self.name.extend(step.iter().copied());
        let result = work(self);
        self.name.truncate(length);
        result
    }

    fn violation(&mut self, reason: ErrorReason, detail: &str) {
        self.violations.add(reason, &self.name, detail);
    }
}
