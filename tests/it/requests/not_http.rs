//! The edges of HTTP on the REST port: the `Host` of a request, and bytes that never become a request.

use http::Request;
use tonic::{body::Body, transport::Endpoint};
use tower::{Service as _, ServiceExt as _};

use crate::support::{TestServer, http::COLLECTION, raw};

on_each_database![
    a_request_names_its_host_once,
    a_host_must_be_a_host,
    an_absolute_request_target_needs_a_host_header_too,
    an_authority_of_http2_and_a_host_must_agree,
    bytes_that_are_no_request_are_refused_and_the_connection_closed,
];

const REFUSED: &str =
    "{\"errors\":[{\"code\":\"INVALID_FIELD\",\"title\":\"Invalid field\",\"detail\":\"host: ";

/// Sends a GET with these headers, and returns the status and the response.
async fn get(server: &TestServer, target: &str, version: &str, headers: &str) -> (u16, String) {
    let request = format!("GET {target} HTTP/{version}\r\n{headers}connection: close\r\n\r\n");
    raw::send(server.rest_addr, request.as_bytes()).await
}

async fn a_request_names_its_host_once(server: TestServer) {
    let authorized = format!("authorization: Bearer {}\r\n", server.admin().token.unwrap());
    for path in [COLLECTION, "/healthz", "/readyz"] {
        for (version, hosts, status) in [
            ("1.1", "host: a\r\n", 200),
            ("1.1", "", 400),
            ("1.1", "host: a\r\nhost: b\r\n", 400),
            // RFC 9112 section 3.2 allows no second line, even with the same value.
            ("1.1", "host: a\r\nhost: a\r\n", 400),
            ("1.0", "", 200),
            ("1.0", "host: a\r\n", 200),
            ("1.0", "host: a\r\nhost: b\r\n", 400),
        ] {
            let headers = format!("{hosts}{authorized}");
            let (got, answer) = get(&server, path, version, &headers).await;
            assert_eq!(got, status, "{path} {version} {hosts}: {answer}");
            assert_eq!(answer.contains(REFUSED), status == 400, "{answer}");
        }
    }
    // It is checked before anything else.
    let (status, answer) = get(&server, "/nothing", "1.1", "").await;
    assert_eq!(status, 400, "{answer}");
    assert!(answer.contains("x-request-id"), "{answer}");
}

async fn a_host_must_be_a_host(server: TestServer) {
    for (host, status) in [
        ("example.com", 200),
        ("example.com:8080", 200),
        ("EXAMPLE.com.", 200),
        ("my_service", 200),
        ("127.0.0.1:80", 200),
        ("[::1]:8080", 200),
        ("", 200),
        ("a b", 400),
        ("a, b", 400),
        ("a/b", 400),
        ("a?b", 400),
        ("a#b", 400),
        ("user@a", 400),
        ("http://a", 400),
        ("a:b", 400),
        ("[::1", 400),
        ("é", 400),
    ] {
        let (got, answer) = get(&server, "/healthz", "1.1", &format!("host: {host}\r\n")).await;
        assert_eq!(got, status, "{host}: {answer}");
    }
}

async fn an_absolute_request_target_needs_a_host_header_too(server: TestServer) {
    // RFC 9112 section 3.2.2: the target counts, and not the header, which must be there nevertheless.
    for (headers, status) in [("host: a\r\n", 200), ("host: b\r\n", 200), ("", 400)] {
        let (got, answer) = get(&server, "http://a/healthz", "1.1", headers).await;
        assert_eq!(got, status, "{headers}: {answer}");
    }
}

async fn an_authority_of_http2_and_a_host_must_agree(server: TestServer) {
    let authority = server.rest_addr.to_string();
    let mut http2 = Endpoint::from_shared(format!("http://{authority}"))
        .unwrap()
        .connect_lazy();
    for (hosts, status) in [
        (vec![], 200),
        (vec![authority.as_str()], 200),
        (vec!["other.example"], 400),
        (vec![authority.as_str(), authority.as_str()], 400),
    ] {
        let request = hosts.iter().fold(
            Request::get(format!("http://{authority}/healthz")),
            |request, host| request.header("host", *host),
        );
        let request = request.body(Body::empty()).unwrap();
        let answer = http2.ready().await.unwrap().call(request).await.unwrap();
        assert_eq!(answer.status(), status, "{hosts:?}");
    }
}

/// The HTTP library answers these by itself (docs/decisions/http.md).
async fn bytes_that_are_no_request_are_refused_and_the_connection_closed(server: TestServer) {
    let long = "a".repeat(70_000);
    let many = "x: a\r\n".repeat(101);
    let large = format!("x-large: {}\r\n", "a".repeat(1 << 20));
    for (request, status) in [
        (
            format!("GET {COLLECTION}?filter=\"a\" HTTP/1.1\r\nhost: a\r\n\r\n"),
            400,
        ),
        (format!("GET {COLLECTION} x HTTP/1.1\r\nhost: a\r\n\r\n"), 400),
        (format!("GET {COLLECTION}\r\nhost: a\r\n\r\n"), 400),
        (format!("GET {COLLECTION} HTTP/9.9\r\nhost: a\r\n\r\n"), 400),
        (format!("G(T {COLLECTION} HTTP/1.1\r\nhost: a\r\n\r\n"), 400),
        (format!("GET {COLLECTION} HTTP/1.1\r\nhost a\r\n\r\n"), 400),
        (
            format!("GET {COLLECTION} HTTP/1.1\r\nhost: a\r\nx y: z\r\n\r\n"),
            400,
        ),
        (
            format!("GET {COLLECTION} HTTP/1.1\r\nhost: a\r\ncontent-length: x\r\n\r\n"),
            400,
        ),
        (
            format!("GET {COLLECTION} HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n"),
            400,
        ),
        (
            format!("GET {COLLECTION}?{long} HTTP/1.1\r\nhost: a\r\n\r\n"),
            414,
        ),
        (format!("GET {COLLECTION} HTTP/1.1\r\nhost: a\r\n{many}\r\n"), 431),
        (
            format!("GET {COLLECTION} HTTP/1.1\r\nhost: a\r\n{large}\r\n"),
            431,
        ),
    ] {
        let (got, answer) = raw::send_part(server.rest_addr, request.as_bytes()).await;
        let shown: String = request.chars().take(120).collect();
        assert_eq!(got, status, "{shown}: {answer}");
        let lower = answer.to_lowercase();
        assert!(lower.contains("connection: close\r\n"), "{shown}: {answer}");
        assert!(lower.contains("content-length: 0\r\n"), "{shown}: {answer}");
        assert_eq!(server.admin().http_get(COLLECTION).await.status, 200);
    }
}
