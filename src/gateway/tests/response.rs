//! Responses: success, errors, and responses that are not valid.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock},
};

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, Response};
use http_body::Frame;
use http_body_util::{Full, StreamBody};
use prost_reflect::DynamicMessage;
use serde_json::{Value, json};
use tonic::{Code, Status, body::Body, metadata::MetadataMap};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt as _};

use super::{RestResponse, exchange, framed, get, message, post, request};
use crate::{
    pb::Method,
    rpc::{encoded::EncodedResponse, frame},
    store::Encoded,
};

async fn received(json: Value) -> RestResponse {
    exchange(get("/v2/books/a"), move |method| message(method, json.clone()))
        .await
        .0
}

async fn failed(status: impl Fn() -> Status + Clone + Send + Sync + 'static) -> RestResponse {
    exchange(get("/v2/books/a"), move |_| status().into_http())
        .await
        .0
}

#[tokio::test]
async fn fields_with_presence_are_omitted_if_unset_and_others_never() {
    assert_eq!(
        received(json!({})).await.json(),
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
    assert_eq!(received(book.clone()).await.json(), book);
    assert_eq!(
        received(json!({"extra": null})).await.json()["extra"],
        Value::Null
    );
}

#[tokio::test]
async fn an_enum_number_without_a_name_stays_a_number() {
    assert_eq!(received(json!({"genre": 7})).await.json()["genre"], json!(7));
}

#[tokio::test]
async fn a_successful_response_has_the_status_of_the_policy() {
    for (request, status) in [
        (get("/v2/books/a"), 200),
        (post("/v1/books", "{}"), 201),
        (post("/v1/books/a:addPages", "[]"), 202),
    ] {
        let (response, _) = exchange(request, |method| {
            if method.descriptor.name() == "AddPages" {
                message(method, json!({"added": 0}))
            } else {
                message(method, json!({"name": "a"}))
            }
        })
        .await;
        assert_eq!(response.status, status);
        assert_eq!(response.header("content-type"), Some("application/json"));
    }
}

#[tokio::test]
async fn a_204_has_no_body() {
    for request in [
        request("DELETE", "/v1/books/a", ""),
        // `no_content_when_empty`, and no field is set.
        post("/v1/books/a:addPages", "[]"),
    ] {
        let (response, _) = exchange(request, |_| framed(b"")).await;
        assert_eq!(response.status, 204);
        assert_eq!(response.header("content-type"), None);
        assert!(response.body.is_empty());
    }
}

#[tokio::test]
async fn an_error_has_the_http_status_and_title_of_its_reason() {
    let response = failed(|| {
        let details = ErrorDetails::with_error_info("SECRET_LIMIT_REACHED", "oauth-clients", HashMap::new());
        let headers = HeaderMap::from_iter([
            ("retry-after".parse().unwrap(), "7".parse().unwrap()),
            ("colour".parse().unwrap(), "red".parse().unwrap()),
        ]);
        let metadata = MetadataMap::from_headers(headers);
        Status::with_error_details_and_metadata(Code::FailedPrecondition, "five já", details, metadata)
    })
    .await;
    assert_eq!(response.status, 409);
    assert_eq!(
        response.json(),
        json!({"errors": [{
            "code": "SECRET_LIMIT_REACHED", "title": "Secret limit reached", "detail": "five já",
        }]})
    );
    assert_eq!(response.header("retry-after"), Some("7"));
    assert_eq!(response.header("grpc-metadata-colour"), Some("red"));
    assert_eq!(response.header("grpc-status"), None);
}

#[tokio::test]
async fn each_field_violation_is_a_separate_error() {
    let response = failed(|| {
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
    assert_eq!(response.status, 400);
    assert_eq!(
        response.errors(),
        ["INVALID_FIELD a: is odd", "INVALID_PATCH b.c[0]: is odd"]
    );
    assert_eq!(response.json()["errors"][1]["title"], "Invalid patch");
}

#[tokio::test]
async fn an_error_without_a_reason_has_the_status_of_grpc_gateway() {
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
        let response = failed(move || Status::new(code, "no")).await;
        assert_eq!(response.status, http_status, "{code:?}");
        assert_eq!(response.errors(), ["INTERNAL no"]);
    }
}

#[tokio::test]
async fn an_error_in_the_trailers_is_an_error() {
    let (response, _) = exchange(get("/v2/books/a"), |_| {
        let trailers = Status::not_found("late").into_http::<()>().headers().clone();
        let frames = [Ok::<_, Status>(Frame::<Bytes>::trailers(trailers))];
        Response::new(Body::new(StreamBody::new(stream::iter(frames))))
    })
    .await;
    assert_eq!(response.status, 404);
}

#[tokio::test]
async fn an_invalid_response_is_an_internal_error_without_details() {
    let bodies: [&[u8]; 5] = [
        b"",
        b"\0\0\0\0",
        b"\0\0\0\0\x01",
        b"\x01\0\0\0\0",
        b"\0\0\0\0\x01\xff",
    ];
    for body in bodies {
        let (response, _) = exchange(get("/v2/books/a"), move |_| {
            Response::new(Body::new(Full::new(Bytes::from_static(body))))
        })
        .await;
        assert_eq!(response.status, 500, "{body:?}");
        assert_eq!(
            response.errors(),
            ["INTERNAL an unexpected error occurred: the log says more under the request id"]
        );
    }
}

#[tokio::test]
async fn the_json_of_an_encoded_resource_is_made_once() {
    let frame = |method: &Method, name: &str| {
        let message = DynamicMessage::deserialize(method.descriptor.output(), json!({ "name": name }));
        frame::encode(&message.unwrap())
    };
    let encoded = Arc::new(Mutex::new(None));
    let received = async || {
        let encoded = Arc::clone(&encoded);
        let (response, _) = exchange(get("/v2/books/a"), move |method| {
            let mut encoded = encoded.lock().unwrap();
            let book = encoded.get_or_insert_with(|| {
                Arc::new(Encoded {
                    frame: frame(method, "a"),
                    etag: Bytes::new(),
                    json: OnceLock::new(),
                })
            });
            // The message of the response is not used.
            let mut response = framed(&frame(method, "b"));
            response
                .extensions_mut()
                .insert(EncodedResponse::Client(Arc::clone(book)));
            response
        })
        .await;
        response
    };
    let first = received().await;
    assert_eq!((first.status, &first.json()["name"]), (200, &json!("a")));
    let book = encoded.lock().unwrap().clone().unwrap();
    assert_eq!(book.json.get(), Some(&first.body));

    let kept = Encoded {
        frame: Bytes::from_static(b"not decoded"),
        etag: Bytes::new(),
        json: OnceLock::from(Bytes::from_static(b"{}")),
    };
    *encoded.lock().unwrap() = Some(Arc::new(kept));
    assert_eq!(received().await.json(), json!({}));
}

#[tokio::test]
async fn an_encoded_message_is_sent_as_one_that_is_not() {
    let (response, _) = exchange(get("/v2/books/a"), |method| {
        let message = DynamicMessage::deserialize(method.descriptor.output(), json!({ "name": "a" }));
        let mut response = framed(b"");
        response
            .extensions_mut()
            .insert(EncodedResponse::Frame(frame::encode(&message.unwrap())));
        response
    })
    .await;
    assert_eq!(response.json(), received(json!({"name": "a"})).await.json());
}
