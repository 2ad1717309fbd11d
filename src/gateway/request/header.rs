//! Fields that headers fill.

use std::slice;

use http::HeaderMap;

use super::draft::Draft;

pub(super) fn fill(draft: &mut Draft, headers: &HeaderMap) {
    for header_field in &draft.method.header_fields {
        if let Some(text) = header_field.text(headers) {
            draft.insert(slice::from_ref(&header_field.field), &text);
        }
    }
}
