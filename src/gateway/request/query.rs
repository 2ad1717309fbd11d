//! Fields that query parameters fill.

use std::collections::HashSet;

use percent_encoding::percent_decode;
use prost_reflect::FieldDescriptor;

use super::draft::Draft;
use crate::{
    gateway::{
        binding::{Binding, Body},
        field_path::{self, find_field, is_single},
        json,
    },
    pb::v1::ErrorReason,
};

pub(super) fn fill(draft: &mut Draft, binding: &Binding, query: &str) {
    let mut seen = HashSet::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (Some(name), Some(value)) = (form_decode(name), form_decode(value)) else {
            let name = form_decode(name).unwrap_or_else(|| "query".to_owned());
            draft
                .violations
                .add(ErrorReason::InvalidField, &name, "is not percent-encoded UTF-8");
            continue;
        };
        match parameter(binding, &name) {
            None => draft.violations.add(
                ErrorReason::UnknownField,
                &name,
                "is not a parameter of this request",
            ),
            Some(path) if !seen.insert(field_path::name(&path)) && path.last().is_some_and(is_single) => {
                draft
                    .violations
                    .add(ErrorReason::InvalidField, &name, "is repeated");
            }
            Some(path) => draft.insert(&path, &value),
        }
    }
}

/// Returns the path to the field of a parameter. A field that the path, the body or a header fills has none.
fn parameter(binding: &Binding, name: &str) -> Option<Vec<FieldDescriptor>> {
    let names: Vec<&str> = name.split('.').take(json::MAX_DEPTH + 1).collect();
    if names.len() > json::MAX_DEPTH {
        return None;
    }
    let method = binding.method;
    let path = field_path::resolve(&method.descriptor.input(), names, |message, name| {
        find_field(method, message, name)
    })?;
    let in_body = match &binding.body {
        Body::None => false,
        Body::Message => true,
        Body::Field(field) => path.first() == Some(field),
    };
    let in_path = binding.variables().any(|variable| variable == path);
    (!in_body && !in_path).then_some(path)
}

/// Decodes a form-encoded text. Returns `None` for a malformed escape or text that is not UTF-8.
fn form_decode(text: &str) -> Option<String> {
    let hex = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_hexdigit);
    let bytes = text.as_bytes();
    let well_formed = bytes
        .iter()
        .enumerate()
        .all(|(at, byte)| *byte != b'%' || hex(bytes.get(at + 1)) && hex(bytes.get(at + 2)));
    if !well_formed {
        return None;
    }
    let spaced = text.replace('+', " ");
    let decoded = percent_decode(spaced.as_bytes()).decode_utf8().ok()?;
    Some(decoded.into_owned())
}
