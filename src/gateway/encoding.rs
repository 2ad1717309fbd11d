//! Encodings of a body, none of which REST has.

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{ACCEPT_ENCODING, CONTENT_ENCODING, TRANSFER_ENCODING},
};

use crate::{pb::v1::ErrorReason, rpc::failure::Failure};

/// Requires that a body is not encoded, beside being sent in chunks.
pub(super) fn require_identity(headers: &HeaderMap) -> Result<(), Failure> {
    // The HTTP library has undone `chunked` and would pass on anything else (RFC 9112 section 6.1).
    for (name, coding) in [(CONTENT_ENCODING, "identity"), (TRANSFER_ENCODING, "chunked")] {
        if !has_only(headers, &name, coding) {
            let detail = format!("the {name} must be {coding} or absent");
            return Err(Failure::new(ErrorReason::UnsupportedContentEncoding, detail)
                .header(ACCEPT_ENCODING, HeaderValue::from_static("identity")));
        }
    }
    Ok(())
}

/// Returns `true` if the lists of a header (RFC 9110 section 5.6.1) have no other coding.
fn has_only(headers: &HeaderMap, name: &HeaderName, coding: &str) -> bool {
    headers.get_all(name).iter().all(|list| {
        let codings = list
            .as_bytes()
            .split(|byte| *byte == b',')
            .map(<[u8]>::trim_ascii);
        let mut codings = codings.filter(|listed| !listed.is_empty());
        codings.all(|listed| listed.eq_ignore_ascii_case(coding.as_bytes()))
    })
}
