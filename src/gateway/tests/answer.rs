//! What a call answered, on REST.

use std::collections::HashMap;

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, Response};
use http_body::Frame;
use http_body_util::{Full, StreamBody};
use serde_json::{Value, json};
use tonic::{Code, Status, body::Body, metadata::MetadataMap};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt as _};

use super::{Answer, exchange, framed, get, message, post, request};

async fn got(json: Value) -> Answer {
    exchange(get("/v2/books/a"), move |method| message(method, json.clone()))
        .await
        .0
}

async fn failed(status: impl Fn() -> Status + Clone + Send + Sync + 'static) -> Answer {
    exchange(get("/v2/books/a"), move |_| status().into_http())
        .await
        .0
}

#[tokio::test]
async fn fields_without_presence_are_always_there_and_those_with_only_when_set() {
    assert_eq!(
        got(json!({})).await.json(),
        json!({
            "name": "", "tags": [], "copies": "0", "labels": {}, "genre": "GENRE_UNSPECIFIED",
            "editors": {}, "translators": [],
        })
    );
    let book = json!({
        "name": "a", "author": {"fullName": ""}, "tags": ["", "b"], "copies": "9007199254740993",
        "publishedAt": "2026-01-02T03:04:05.000006Z", "subtitle": "", "labels": {"": "", "k": "v"},
        "extra": [null, 1.5, {"a": true}], "genre": "GENRE_NOVEL", "editors": {"x": {"fullName": "b"}},
        "translators": [{"fullName": "c", "mentor": {"fullName": ""}}],
    });
    assert_eq!(got(book.clone()).await.json(), book);
    assert_eq!(got(json!({"extra": null})).await.json()["extra"], Value::Null);
}

#[tokio::test]
async fn a_number_of_an_enum_without_a_name_stays_a_number() {
    assert_eq!(got(json!({"genre": 7})).await.json()["genre"], json!(7));
}

#[tokio::test]
async fn the_status_of_success_is_that_of_the_policy() {
    for (request, status) in [
        (get("/v2/books/a"), 200),
        (post("/v1/books", "{}"), 201),
        (post("/v1/books/a:addPages", "[]"), 202),
    ] {
        let (answer, _) = exchange(request, |method| {
            if method.descriptor.name() == "AddPages" {
                message(method, json!({"added": 0}))
            } else {
                message(method, json!({"name": "a"}))
            }
        })
        .await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
}

#[tokio::test]
async fn no_content_has_no_body() {
    for request in [
        request("DELETE", "/v1/books/a", ""),
        // `no_content_when_empty`: nothing in the answer is set.
        post("/v1/books/a:addPages", "[]"),
    ] {
        let (answer, _) = exchange(request, |_| framed(b"")).await;
        assert_eq!(answer.status, 204);
        assert_eq!(answer.header("content-type"), None);
        assert!(answer.body.is_empty());
    }
}

#[tokio::test]
async fn an_error_has_the_http_status_and_title_of_its_reason() {
    let answer = failed(|| {
        let details = ErrorDetails::with_error_info("SECRET_LIMIT_REACHED", "oauth-clients", HashMap::new());
        let headers = HeaderMap::from_iter([
            ("retry-after".parse().unwrap(), "7".parse().unwrap()),
            ("colour".parse().unwrap(), "red".parse().unwrap()),
        ]);
        let metadata = MetadataMap::from_headers(headers);
        Status::with_error_details_and_metadata(Code::FailedPrecondition, "five já", details, metadata)
    })
    .await;
    assert_eq!(answer.status, 409);
    assert_eq!(
        answer.json(),
        json!({"errors": [{
            "code": "SECRET_LIMIT_REACHED", "title": "Secret limit reached", "detail": "five já",
        }]})
    );
    assert_eq!(answer.header("retry-after"), Some("7"));
    assert_eq!(answer.header("grpc-metadata-colour"), Some("red"));
    assert_eq!(answer.header("grpc-status"), None);
}

#[tokio::test]
async fn each_field_violation_is_an_error_of_its_own() {
    let answer = failed(|| {
        let mut details = ErrorDetails::with_error_info("INVALID_FIELD", "oauth-clients", HashMap::new());
        details.set_bad_request([("a", "INVALID_FIELD"), ("b.c[0]", "INVALID_PATCH")].map(
            |(field, reason)| FieldViolation {
                field: field.to_owned(),
                description: "is odd".to_owned(),
                reason: reason.to_owned(),
                localized_message: None,
            },
        ));
        Status::with_error_details(Code::InvalidArgument, "two", details)
    })
    .await;
    assert_eq!(answer.status, 400);
    assert_eq!(
        answer.errors(),
        ["INVALID_FIELD a: is odd", "INVALID_PATCH b.c[0]: is odd"]
    );
    assert_eq!(answer.json()["errors"][1]["title"], "Invalid patch");
}

#[tokio::test]
async fn an_error_without_a_reason_has_the_status_that_grpc_gateway_gives_its_code() {
    for (code, http_status) in [
        (Code::Cancelled, 499),
        (Code::Unknown, 500),
        (Code::InvalidArgument, 400),
        (Code::DeadlineExceeded, 504),
        (Code::NotFound, 404),
        (Code::AlreadyExists, 409),
        (Code::PermissionDenied, 403),
        (Code::ResourceExhausted, 429),
        (Code::FailedPrecondition, 400),
        (Code::Aborted, 409),
        (Code::OutOfRange, 400),
        (Code::Unimplemented, 501),
        (Code::Internal, 500),
        (Code::Unavailable, 503),
        (Code::DataLoss, 500),
        (Code::Unauthenticated, 401),
    ] {
        let answer = failed(move || Status::new(code, "no")).await;
        assert_eq!(answer.status, http_status, "{code:?}");
        assert_eq!(answer.errors(), ["INTERNAL no"]);
    }
}

#[tokio::test]
async fn an_error_that_comes_with_the_trailers_is_one_too() {
    let (answer, _) = exchange(get("/v2/books/a"), |_| {
        let trailers = Status::not_found("late").into_http::<()>().headers().clone();
        let frames = [Ok::<_, Status>(Frame::<Bytes>::trailers(trailers))];
        Response::new(Body::new(StreamBody::new(stream::iter(frames))))
    })
    .await;
    assert_eq!(answer.status, 404);
}

#[tokio::test]
async fn an_answer_that_is_no_message_is_an_internal_error_that_says_nothing() {
    let bodies: [&[u8]; 5] = [
        b"",
        b"\0\0\0\0",
        b"\0\0\0\0\x01",
        b"\x01\0\0\0\0",
        b"\0\0\0\0\x01\xff",
    ];
    for body in bodies {
        let (answer, _) = exchange(get("/v2/books/a"), move |_| {
            Response::new(Body::new(Full::new(Bytes::from_static(body))))
        })
        .await;
        assert_eq!(answer.status, 500, "{body:?}");
        assert_eq!(
            answer.errors(),
            ["INTERNAL an unexpected error occurred: the log says more under the request id"]
        );
    }
}
