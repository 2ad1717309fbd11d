//! Reads the JSON body of a request.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};
use http_body::Body as _;
use http_body_util::BodyExt as _;

use super::{binding, drain::DrainOnDrop, json, matched::Matched};
use crate::{pb::v1::ErrorReason, rpc::failure::Failure};

/// The largest body that the server accepts.
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// Reads the body. Returns `None` if the binding has no use for it.
pub(super) async fn read(matched: &Matched, body: DrainOnDrop) -> Result<Option<serde_json::Value>, Failure> {
    let wanted = !matches!(matched.binding.body, binding::Body::None);
    if wanted && !is_json(&matched.headers) {
        let detail = "the body must be application/json or application/json-patch+json";
        return Err(Failure::new(ErrorReason::UnsupportedMediaType, detail));
    }
    let bytes = limited(body).await?;
    if !wanted {
        return Ok(None);
    }
    json::read(&bytes)
        .map(Some)
        .map_err(|error| Failure::new(ErrorReason::MalformedJson, error.to_string()))
}

/// Returns `true` if the content type is JSON or absent (RFC 9110 section 8.3), with any parameters.
fn is_json(headers: &HeaderMap) -> bool {
    let value = match headers.get(CONTENT_TYPE).map(HeaderValue::to_str) {
        None => "",
        Some(Ok(value)) => value,
        Some(Err(_)) => return false,
    };
    let media_type = value.split(';').next().unwrap_or_default().trim();
    ["", "application/json", "application/json-patch+json"]
        .iter()
        .any(|json| media_type.eq_ignore_ascii_case(json))
}

async fn limited(mut body: DrainOnDrop) -> Result<Bytes, Failure> {
    let too_large = || Failure::new(ErrorReason::BodyTooLarge, "the body is larger than 1 MiB");
    if body.size_hint().lower() > MAX_BODY_BYTES as u64 {
        return Err(too_large());
    }
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Failure::new(ErrorReason::MalformedJson, "the body ended early"))?;
        if let Some(data) = frame.data_ref() {
            if bytes.len() + data.len() > MAX_BODY_BYTES {
                return Err(too_large());
            }
            bytes.extend_from_slice(data);
        }
    }
    Ok(bytes.freeze())
}
