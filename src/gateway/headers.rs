//! Translates HTTP headers to gRPC metadata and back, with the names of grpc-gateway.

use http::{
    HeaderMap, HeaderName,
    header::{ACCEPT_ENCODING, ALLOW, AUTHORIZATION, ETAG, RETRY_AFTER, WWW_AUTHENTICATE},
};

use crate::rpc::stack::request_id::X_REQUEST_ID;

const METADATA_PREFIX: &str = "grpc-metadata-";

/// Request headers that are the same on both transports.
const SHARED_REQUEST_HEADERS: [HeaderName; 5] = [
    AUTHORIZATION,
    X_REQUEST_ID,
    HeaderName::from_static("grpc-timeout"),
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
];

/// Response headers that are the same on both transports.
const SHARED_RESPONSE_HEADERS: [HeaderName; 8] = [
    ACCEPT_ENCODING,
    ALLOW,
    ETAG,
    RETRY_AFTER,
    WWW_AUTHENTICATE,
    X_REQUEST_ID,
    HeaderName::from_static("ratelimit"),
    HeaderName::from_static("ratelimit-policy"),
];

/// Returns `true` for metadata that belongs to gRPC itself, which callers neither set nor see.
fn is_reserved(name: &str) -> bool {
    name.starts_with("grpc-")
        || matches!(
            name,
            "content-type" | "content-length" | "te" | "trailer" | "date" | "host"
        )
}

/// Returns the metadata of a request: the headers that are the same on both transports, and `Grpc-Metadata-X` as `x`.
pub(super) fn metadata(headers: &HeaderMap) -> HeaderMap {
    let mut metadata = HeaderMap::new();
    for (name, value) in headers {
        if SHARED_REQUEST_HEADERS.contains(name) {
            metadata.append(name.clone(), value.clone());
            continue;
        }
        let key = name.as_str().strip_prefix(METADATA_PREFIX);
        if let Some(Ok(key)) = key.filter(|key| !is_reserved(key)).map(HeaderName::try_from)
            && !SHARED_REQUEST_HEADERS.contains(&key)
        {
            metadata.append(key, value.clone());
        }
    }
    metadata
}

/// Returns the headers of a response: those that are the same on both transports, and other metadata `x` as
/// `Grpc-Metadata-X`.
pub(super) fn headers(metadata: &HeaderMap) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in metadata {
        if SHARED_RESPONSE_HEADERS.contains(name) {
            headers.append(name.clone(), value.clone());
        } else if !is_reserved(name.as_str())
            && let Ok(name) = HeaderName::try_from(format!("{METADATA_PREFIX}{name}"))
        {
            headers.append(name, value.clone());
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(headers: &[(&str, &str)]) -> HeaderMap {
        headers
            .iter()
            .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn headers_become_metadata() {
        let sent = map(&[
            ("authorization", "Bearer a"),
            ("grpc-timeout", "1S"),
            ("traceparent", "00-1"),
            ("grpc-metadata-color", "red"),
            ("cookie", "a=b"),
            ("content-type", "application/json"),
        ]);
        assert_eq!(
            metadata(&sent),
            map(&[
                ("authorization", "Bearer a"),
                ("grpc-timeout", "1S"),
                ("traceparent", "00-1"),
                ("color", "red")
            ])
        );
    }

    #[test]
    fn the_prefix_cannot_set_reserved_metadata() {
        for name in [
            "authorization",
            "content-type",
            "grpc-timeout",
            "te",
            "x-request-id",
        ] {
            let sent = map(&[(&format!("grpc-metadata-{name}"), "a")]);
            assert_eq!(metadata(&sent), HeaderMap::new(), "{name}");
        }
    }

    #[test]
    fn metadata_becomes_headers() {
        let metadata = map(&[
            ("retry-after", "1"),
            ("x-request-id", "a"),
            ("color", "red"),
            ("grpc-status", "0"),
            ("content-type", "application/grpc"),
        ]);
        assert_eq!(
            headers(&metadata),
            map(&[
                ("retry-after", "1"),
                ("x-request-id", "a"),
                ("grpc-metadata-color", "red")
            ])
        );
    }
}
