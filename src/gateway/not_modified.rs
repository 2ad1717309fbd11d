//! Conditional requests for a resource that the caller has already (RFC 9110 section 13.1.2).

use http::{
    HeaderMap, Method as HttpMethod, Response, StatusCode,
    header::{ETAG, IF_NONE_MATCH},
};
use tonic::body::Body;

use super::{headers, matched::Matched};
use crate::{entity_tags::EntityTags, header_list::header_list};

/// Returns `true` if a GET names the etag of its response in `If-None-Match`. A malformed list names none.
pub(super) fn is_not_modified(matched: &Matched, metadata: &HeaderMap) -> bool {
    matched.binding.http_method == HttpMethod::GET && names_etag(&matched.headers, metadata).unwrap_or(false)
}

fn names_etag(request: &HeaderMap, metadata: &HeaderMap) -> Option<bool> {
    let etag = metadata.get(ETAG)?.to_str().ok()?;
    let state = etag.strip_prefix('"')?.strip_suffix('"')?;
    let known = EntityTags::parse(&header_list(request, &IF_NONE_MATCH)?).ok()?;
    Some(known.match_weakly(state))
}

/// Returns the response without the resource.
pub(super) fn response(metadata: &HeaderMap) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    response.headers_mut().extend(headers::headers(metadata));
    response
}
