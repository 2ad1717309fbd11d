//! Reads the JSON body of a request.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};
use http_body::Body as _;
use http_body_util::BodyExt as _;

use serde_json::json;

use super::{binding::Body, drain::DrainOnDrop, encoding, json, matched::Matched};
use crate::{pb::v1::ErrorReason, rpc::failure::Failure, single_header::single_header};

/// The largest body that the server accepts.
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// Reads the body. Returns `None` if the binding has no use for it.
pub(super) async fn read(
    matched: &Matched,
    mut body: DrainOnDrop,
) -> Result<Option<serde_json::Value>, Failure> {
    encoding::require_identity(&matched.headers)?;
    let target = &matched.binding.body;
    if !matches!(target, Body::None) && !is_json(&matched.headers) {
        // An empty body has no content of any type.
        let may_be_empty = matches!(target, Body::Message) && body.size_hint().lower() == 0;
        if !may_be_empty || !next_bytes(&mut body).await?.is_empty() {
            let detail = "the body must be application/json or application/json-patch+json";
            return Err(Failure::new(ErrorReason::UnsupportedMediaType, detail));
        }
    }
    let bytes = limited(body).await?;
    match target {
        Body::None => Ok(None),
        Body::Message if bytes.is_empty() => Ok(Some(json!({}))),
        Body::Message | Body::Field(_) => json::read(&bytes)
            .map(Some)
            .map_err(|error| Failure::new(ErrorReason::MalformedJson, error.to_string())),
    }
}

/// Returns `true` if the content type is JSON or absent (RFC 9110 section 8.3), with any parameters.
fn is_json(headers: &HeaderMap) -> bool {
    let value = match single_header(headers, CONTENT_TYPE).map(|value| value.map(HeaderValue::to_str)) {
        Ok(None) => "",
        Ok(Some(Ok(value))) => value,
        Ok(Some(Err(_))) | Err(_) => return false,
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
    loop {
        let data = next_bytes(&mut body).await?;
        if data.is_empty() {
            return Ok(bytes.freeze());
        }
        if bytes.len() + data.len() > MAX_BODY_BYTES {
            return Err(too_large());
        }
        bytes.extend_from_slice(&data);
    }
}

/// Returns the next bytes of the body. They are empty at its end.
async fn next_bytes(body: &mut DrainOnDrop) -> Result<Bytes, Failure> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Failure::new(ErrorReason::MalformedJson, "the body ended early"))?;
        if let Ok(data) = frame.into_data()
            && !data.is_empty()
        {
            return Ok(data);
        }
    }
    Ok(Bytes::new())
}
