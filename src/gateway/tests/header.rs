//! Headers that fill fields, headers that become metadata, and back.

use http::HeaderValue;
use serde_json::json;

use super::{call, exchange, framed, get, post, refusal, request, with_header};

#[tokio::test]
async fn a_header_fills_the_field_that_names_it() {
    let burn = request("DELETE", "/v1/books/a", "");
    let call = call(with_header(burn, "x-burn-reason", "r\u{e9}ason")).await;
    assert_eq!(call.message, json!({"name": "a", "reason": "réason"}));
}

#[tokio::test]
async fn the_text_of_a_header_is_read_as_the_type_of_the_field() {
    let lend = || post("/v1/books/a:lend", "{}");
    let fine = call(with_header(lend(), "x-days", "7")).await;
    assert_eq!(fine.message, json!({"lentBook": {"name": "a"}, "days": 7}));
    let response = refusal(with_header(lend(), "x-days", "a week")).await;
    assert_eq!(response.errors(), ["INVALID_FIELD days: must be a whole number"]);
}

#[tokio::test]
async fn a_header_that_fills_a_field_may_be_repeated_with_the_same_value_only() {
    let burn = |values: [&str; 2]| {
        values
            .into_iter()
            .fold(request("DELETE", "/v1/books/a", ""), |request, value| {
                with_header(request, "x-burn-reason", value)
            })
    };
    let fine = call(burn(["damp", "damp"])).await;
    assert_eq!(fine.message, json!({"name": "a", "reason": "damp"}));
    for values in [["damp", "worms"], ["", "worms"], ["damp", ""]] {
        assert_eq!(
            refusal(burn(values)).await.errors(),
            ["INVALID_CURSOR x-burn-reason: is repeated with different values"]
        );
    }
}

#[tokio::test]
async fn only_the_header_fills_the_field() {
    let response = refusal(request("DELETE", "/v1/books/a?reason=b", "")).await;
    assert_eq!(
        response.errors(),
        ["UNKNOWN_FIELD reason: is not a parameter of this request"]
    );
    let ignored = call(post("/v1/books/a:lend", r#"{"days": 7}"#)).await;
    assert_eq!(ignored.message, json!({"lentBook": {"name": "a"}}));
}

#[tokio::test]
async fn shared_and_prefixed_headers_become_metadata() {
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let sent = [
        ("authorization", "Bearer a"),
        ("grpc-timeout", "5S"),
        ("traceparent", trace),
        ("tracestate", "a=b"),
        ("x-request-id", "id-1"),
        ("grpc-metadata-colour", "red"),
        ("grpc-metadata-colour", "green"),
        ("grpc-metadata-grpc-encoding", "gzip"),
        ("grpc-metadata-content-type", "text/plain"),
        ("cookie", "a=b"),
        ("content-length", "2"),
        ("accept-encoding", "gzip"),
    ];
    let request = sent
        .into_iter()
        .fold(get("/v2/books/a"), |request, (name, value)| {
            with_header(request, name, value)
        });
    let metadata = call(request).await.metadata;
    let mut received: Vec<(&str, &str)> = metadata
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
        .collect();
    received.sort_unstable();
    assert_eq!(
        received,
        [
            ("authorization", "Bearer a"),
            ("colour", "green"),
            ("colour", "red"),
            ("content-type", "application/grpc"),
            ("grpc-timeout", "5S"),
            ("te", "trailers"),
            ("traceparent", trace),
            ("tracestate", "a=b"),
            ("x-request-id", "id-1"),
        ]
    );
}

#[tokio::test]
async fn response_metadata_becomes_headers() {
    let request = with_header(get("/v2/books/a"), "x-request-id", "id-1");
    let (response, _) = exchange(request, |_| {
        let mut response = framed(b"");
        for (name, value) in [
            ("ratelimit", "default;r=1"),
            ("colour", "red"),
            ("colour", "green"),
            ("grpc-encoding", "identity"),
            ("date", "today"),
        ] {
            response
                .headers_mut()
                .append(name, HeaderValue::from_static(value));
        }
        response
    })
    .await;
    assert_eq!(response.header("ratelimit"), Some("default;r=1"));
    assert_eq!(response.header("x-request-id"), Some("id-1"));
    let colours: Vec<_> = response.headers.get_all("grpc-metadata-colour").iter().collect();
    assert_eq!(colours, ["red", "green"]);
    for name in [
        "colour",
        "grpc-encoding",
        "grpc-metadata-grpc-encoding",
        "grpc-metadata-date",
    ] {
        assert_eq!(response.header(name), None, "{name}");
    }
}

#[tokio::test]
async fn no_response_is_cached() {
    for uri in ["/v2/books/a", "/nowhere"] {
        let (response, _) = exchange(get(uri), |_| framed(b"")).await;
        assert_eq!(response.header("cache-control"), Some("no-store"), "{uri}");
        assert_eq!(
            response.header("x-content-type-options"),
            Some("nosniff"),
            "{uri}"
        );
    }
}

#[tokio::test]
async fn a_get_that_names_the_etag_of_its_response_is_a_304() {
    let send = async |request, known: &str| {
        let (response, _) = exchange(with_header(request, "if-none-match", known), |_| {
            let mut response = framed(b"");
            let headers = response.headers_mut();
            headers.insert("etag", HeaderValue::from_static("\"a\""));
            response
        })
        .await;
        assert_eq!(response.header("etag"), Some("\"a\""));
        response
    };
    let known = send(get("/v2/books/a"), "\"b\", W/\"a\"").await;
    assert_eq!((known.status, &known.body[..]), (304, &b""[..]));
    assert_eq!(known.header("content-type"), None);
    assert_eq!(known.header("cache-control"), Some("no-store"));
    for other in ["\"b\"", "", "*, *"] {
        assert_eq!(send(get("/v2/books/a"), other).await.status, 200, "{other}");
    }
    assert_eq!(send(post("/v1/books", "{}"), "*").await.status, 201);
}
