//! HTTP headers to gRPC metadata and back, named as grpc-gateway names them.

use http::{
    HeaderMap, HeaderName,
    header::{ALLOW, AUTHORIZATION, RETRY_AFTER, WWW_AUTHENTICATE},
};

use crate::rpc::stack::request_id::X_REQUEST_ID;

const METADATA_PREFIX: &str = "grpc-metadata-";

/// Headers that mean the same on both transports, in requests.
const SAME_IN: [HeaderName; 5] = [
    AUTHORIZATION,
    X_REQUEST_ID,
    HeaderName::from_static("grpc-timeout"),
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
];

/// Headers that mean the same on both transports, in answers.
const SAME_OUT: [HeaderName; 6] = [
    ALLOW,
    RETRY_AFTER,
    WWW_AUTHENTICATE,
    X_REQUEST_ID,
    HeaderName::from_static("ratelimit"),
    HeaderName::from_static("ratelimit-policy"),
];

/// What gRPC keeps to itself, so that no caller can set it and none sees it.
fn is_reserved(name: &str) -> bool {
    name.starts_with("grpc-")
        || matches!(
            name,
            "content-type" | "content-length" | "te" | "trailer" | "date" | "host"
        )
}

/// The metadata of a call: the headers that mean the same there, and `Grpc-Metadata-X` as `x`.
pub(super) fn metadata(headers: &HeaderMap) -> HeaderMap {
    let mut metadata = HeaderMap::new();
    for (name, value) in headers {
        if SAME_IN.contains(name) {
            metadata.append(name.clone(), value.clone());
            continue;
        }
        let own = name.as_str().strip_prefix(METADATA_PREFIX);
        if let Some(Ok(own)) = own.filter(|own| !is_reserved(own)).map(HeaderName::try_from)
            && !SAME_IN.contains(&own)
        {
            metadata.append(own, value.clone());
        }
    }
    metadata
}

/// The headers of an answer: those that mean the same there, and any other metadata `x` as `Grpc-Metadata-X`.
pub(super) fn headers(metadata: &HeaderMap) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in metadata {
        if SAME_OUT.contains(name) {
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
    fn nobody_sets_reserved_metadata_through_the_prefix() {
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
        let answered = map(&[
            ("retry-after", "1"),
            ("x-request-id", "a"),
            ("color", "red"),
            ("grpc-status", "0"),
            ("content-type", "application/grpc"),
        ]);
        assert_eq!(
            headers(&answered),
            map(&[
                ("retry-after", "1"),
                ("x-request-id", "a"),
                ("grpc-metadata-color", "red")
            ])
        );
    }
}
