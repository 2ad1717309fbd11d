//! A message that is being put together.

use prost_reflect::{DynamicMessage, FieldDescriptor};
use serde_json::{Map, Value};

use super::{typed, violations::Violations};
use crate::{
    gateway::field_path,
    pb::{self, Method, type_name},
    rpc::failure::Failure,
};

/// Members by their JSON names.
pub(super) type Object = Map<String, Value>;

/// The request message of a method as JSON, and the violations so far.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) method: &'static Method,
    pub(super) members: Object,
    pub(super) violations: Violations,
}

impl Draft {
    pub(super) fn new(method: &'static Method) -> Self {
        Self {
            method,
            members: Object::new(),
            violations: Violations::default(),
        }
    }

    /// Sets a field from a text of the path, the query or a header. It replaces the value of the body.
    pub(super) fn insert(&mut self, path: &[FieldDescriptor], text: &str) {
        let Some((field, parents)) = path.split_last() else {
            return;
        };
        // A parent of a wrong type is an error when the message is read.
        let Some(target) = descend(&mut self.members, parents) else {
            return;
        };
        let Some(value) = pb::parse(field, text) else {
            let reason = self.method.malformed_reason(field);
            let detail = format!("must be {}", type_name(&field.kind()));
            self.violations.add(reason, &field_path::name(path), &detail);
            return;
        };
        let name = field.json_name();
        match target.get_mut(name) {
            Some(Value::Array(elements)) if field.is_list() => elements.push(value),
            _ if field.is_list() => {
                target.insert(name.to_owned(), Value::Array(vec![value]));
            }
            _ => {
                target.insert(name.to_owned(), value);
            }
        }
    }

    /// Reads the message.
    ///
    /// # Errors
    /// Returns the violations, or else the first member of a wrong type.
    pub(super) fn into_message(self) -> Result<DynamicMessage, Failure> {
        self.violations.into_result()?;
        typed::read(&self.method.descriptor.input(), Value::Object(self.members))
    }
}

/// Returns the members of the message at the end of a path, or `None` if something on the path is not an object.
fn descend<'a>(members: &'a mut Object, path: &[FieldDescriptor]) -> Option<&'a mut Object> {
    let mut target = members;
    for field in path {
        let entry = target.entry(field.json_name()).or_insert(Value::Null);
        if entry.is_null() {
            *entry = Object::new().into();
        }
        target = entry.as_object_mut()?;
    }
    Some(target)
}
