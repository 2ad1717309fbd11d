//! Fields that headers fill.

use std::slice;

use http::HeaderMap;

use super::draft::Draft;

pub(super) fn fill(draft: &mut Draft, headers: &HeaderMap) {
    for header_field in &draft.method.header_fields {
        let field = &header_field.field;
        match header_field.text(headers) {
            Ok(None) => {}
            Ok(Some(text)) => draft.insert(slice::from_ref(field), &text),
            Err(different) => {
                let reason = draft.method.malformed_reason(field);
                let name = header_field.header.as_str();
                draft.violations.add(reason, name, &different.to_string());
            }
        }
    }
}
