//! Bodies that fill fields, and bodies that are rejected.

use std::{
    convert::Infallible,
    io,
    pin::Pin,
    task::{Context, Poll},
};

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use http_body::{Frame, SizeHint};
use http_body_util::StreamBody;
use serde_json::{Value, json};

use super::{call, exchange, framed, get, post, refusal, request, with_header};

async fn created(body: &str) -> Value {
    call(post("/v1/books", body.to_owned())).await.message
}

async fn refused(uri: &str, body: &str) -> Vec<String> {
    let response = refusal(post(uri, body.to_owned())).await;
    assert_eq!(response.status, 400, "{body}");
    response.errors()
}

#[tokio::test]
async fn the_body_is_the_message_with_either_name_of_its_fields() {
    let book = json!({
        "name": "a", "author": {"fullName": "b"}, "tags": ["c", ""], "copies": "1", "subtitle": "",
        "publishedAt": "2026-01-02T03:04:05Z", "labels": {"full_name": "e"}, "extra": {"full_name": [1.0]},
        "genre": "GENRE_NOVEL", "editors": {"full_name": {"fullName": "f"}}, "translators": [{"fullName": "g"}],
    });
    assert_eq!(created(&book.to_string()).await, book);
    let proto_names = book
        .to_string()
        .replace("fullName", "full_name")
        .replace("publishedAt", "published_at");
    assert_eq!(created(&proto_names).await, book);
}

#[tokio::test]
async fn the_body_may_be_one_field() {
    let call = call(post("/v1/books/a:addPages", r#"[{"text": "b"}, {}]"#)).await;
    assert_eq!(
        call.message,
        json!({"book": {"name": "books/a"}, "pages": [{"text": "b"}, {}]})
    );
    for body in ["{}", "null", "1", r#"{"pages": []}"#] {
        let errors = refused("/v1/books/a:addPages", body).await;
        assert_eq!(errors.len(), 1, "{body}");
        assert!(errors[0].ends_with(": must be an array"), "{errors:?}");
    }
}

#[tokio::test]
async fn a_field_that_the_path_fills_is_no_member_of_the_body() {
    for (uri, body, name) in [
        ("/v1/books/a", r#"{"name": "a"}"#, "name"),
        ("/v1/books/a", r#"{"name": null}"#, "name"),
        (
            "/v1/books/a:lend",
            r#"{"lentBook": {"name": "a"}}"#,
            "lentBook.name",
        ),
        (
            "/v1/books/a:lend",
            r#"{"lent_book": {"name": "b"}}"#,
            "lent_book.name",
        ),
    ] {
        assert_eq!(
            refused(uri, body).await,
            [format!("UNKNOWN_FIELD {name}: is not a member of this request")]
        );
    }
    // Other fields of the same type, or beside it, are.
    for (uri, body, message) in [
        (
            "/v1/books/a:lend",
            r#"{"lentBook": {"copies": 1}}"#,
            json!({"lentBook": {"name": "a", "copies": "1"}}),
        ),
        (
            "/v1/books/a:lend",
            r#"{"lentBook": {}}"#,
            json!({"lentBook": {"name": "a"}}),
        ),
        (
            "/v1/books/a:lend",
            r#"{"lent_book": null}"#,
            json!({"lentBook": {"name": "a"}}),
        ),
        (
            "/v1/books/latest:lend",
            r#"{"name": "b"}"#,
            json!({"lentBook": {"name": "b"}}),
        ),
        ("/v1/books", r#"{"name": "b"}"#, json!({"name": "b"})),
    ] {
        assert_eq!(call(post(uri, body)).await.message, message, "{body}");
    }
}

#[tokio::test]
async fn an_empty_body_of_the_whole_message_is_an_empty_object_whatever_its_type() {
    for content_type in [None, Some("application/json"), Some("text/plain"), Some("\u{e9}")] {
        for body in [Body::empty(), streamed("")] {
            let request = post("/v1/books/a", body);
            let request = match content_type {
                Some(content_type) => with_header(request, "content-type", content_type),
                None => request,
            };
            assert_eq!(call(request).await.message, json!({"name": "a"}));
        }
    }
    // A body of one field is that field.
    let errors = refused("/v1/books/a:addPages", "").await;
    assert!(errors[0].starts_with("MALFORMED_JSON "), "{errors:?}");
    let request = with_header(post("/v1/books/a:addPages", ""), "content-type", "text/plain");
    assert_eq!(refusal(request).await.status, 415);
    // A space is a body.
    let request = with_header(post("/v1/books", streamed(" ")), "content-type", "text/plain");
    assert_eq!(refusal(request).await.status, 415);
    assert!(refused("/v1/books", " ").await[0].starts_with("MALFORMED_JSON "));
}

#[tokio::test]
async fn a_content_type_is_single() {
    let json = "application/json";
    for (values, status) in [
        ([json, json], 200),
        ([json, "text/plain"], 415),
        (["text/plain", json], 415),
        ([json, "application/json-patch+json"], 415),
        (["", json], 415),
    ] {
        let request = values.into_iter().fold(post("/v1:ping", "{}"), |request, value| {
            with_header(request, "content-type", value)
        });
        let (response, call) = exchange(request, |_| framed(b"")).await;
        assert_eq!(call.is_some(), status == 200, "{values:?}");
        assert_eq!(response.status == 415, status == 415, "{values:?}");
    }
}

#[tokio::test]
async fn a_body_is_not_encoded() {
    for (name, value) in [
        ("content-encoding", "gzip"),
        ("content-encoding", "identity, br"),
        ("transfer-encoding", "gzip, chunked"),
    ] {
        // Before the media type and the size.
        let request = with_header(post("/v1/books", "x".repeat(2 << 20)), name, value);
        let response = refusal(with_header(request, "content-type", "text/plain")).await;
        assert_eq!(response.status, 415);
        assert_eq!(response.header("accept-encoding"), Some("identity"));
        assert!(response.errors()[0].starts_with("UNSUPPORTED_CONTENT_ENCODING the "));
    }
    for (name, value) in [
        ("content-encoding", "identity"),
        ("content-encoding", "Identity, identity"),
        ("transfer-encoding", "Chunked"),
    ] {
        let request = with_header(post("/v1/books", "{}"), name, value);
        assert_eq!(call(request).await.rpc, "CreateBook");
    }
}

#[tokio::test]
async fn every_unknown_member_is_named_at_any_depth() {
    let body = r#"{
        "a": {"not": "looked into"}, "author": {"b": 1, "mentor": {"c": 1}}, "editors": {"x": {"d": 1}},
        "translators": [{}, {"e": 1}], "labels": {"known": ""}, "extra": {"known": 1}, "Name": ""
    }"#;
    let mut errors = refused("/v1/books", body).await;
    errors.sort_unstable();
    let names = [
        "Name",
        "a",
        "author.b",
        "author.mentor.c",
        "editors.x.d",
        "translators[1].e",
    ];
    let expected = names.map(|name| format!("UNKNOWN_FIELD {name}: is not a member of this request"));
    assert_eq!(errors, expected);
}

#[tokio::test]
async fn unknown_members_are_ignored_only_in_messages_with_the_option() {
    let call = call(post(
        "/v1/books/a:addPages",
        r#"[{"a": {"text": 1}, "text": "b"}]"#,
    ))
    .await;
    assert_eq!(call.message["pages"], json!([{"text": "b"}]));
    let errors = refused("/v1/books/a:lend", r#"{"a": 1, "lentBook": {"b": 1}}"#).await;
    assert_eq!(
        errors,
        ["UNKNOWN_FIELD lentBook.b: is not a member of this request"]
    );
}

#[tokio::test]
async fn a_message_without_fields_has_no_members() {
    assert_eq!(call(post("/v1:ping", "{}")).await.rpc, "Ping");
    let errors = refused("/v1:ping", r#"{"a": 1}"#).await;
    assert_eq!(errors, ["UNKNOWN_FIELD a: is not a member of this request"]);
}

#[tokio::test]
async fn a_member_must_not_be_repeated() {
    for (body, error) in [
        (
            r#"{"name": "", "name": ""}"#,
            "MALFORMED_JSON the member \"name\" is repeated at line 1 column",
        ),
        (
            r#"{"extra": [{"a": 1, "\u0061": 1}]}"#,
            "MALFORMED_JSON the member \"a\" is repeated at line 1 column",
        ),
        (
            r#"{"publishedAt": null, "published_at": null}"#,
            "INVALID_FIELD published_at: is given under both of its names",
        ),
        (
            r#"{"author": {"full_name": "", "fullName": ""}}"#,
            "INVALID_FIELD author.full_name: is given under both of its names",
        ),
    ] {
        let errors = refused("/v1/books", body).await;
        assert_eq!(errors.len(), 1, "{body}");
        assert!(errors[0].starts_with(error), "{errors:?}");
    }
}

#[tokio::test]
async fn a_value_of_the_wrong_type_is_named_with_the_expected_type() {
    for (body, error) in [
        (r#"{"name": 1}"#, "name: must be a string"),
        (r#"{"author": []}"#, "author: must be an object"),
        (r#"{"author": "a"}"#, "author: must be an object"),
        (
            r#"{"author": {"mentor": {"full_name": {}}}}"#,
            "author.mentor.fullName: must be a string",
        ),
        (r#"{"tags": "a"}"#, "tags: must be an array"),
        (r#"{"tags": {"0": "a"}}"#, "tags: must be an array"),
        (r#"{"tags": ["a", 1]}"#, "tags[1]: must be a string"),
        (r#"{"tags": [["a"]]}"#, "tags[0]: must be a string"),
        (r#"{"copies": 1.5}"#, "copies: must be a whole number"),
        (r#"{"copies": "one"}"#, "copies: must be a whole number"),
        (
            r#"{"copies": 9223372036854775808}"#,
            "copies: must be a whole number",
        ),
        (r#"{"copies": true}"#, "copies: must be a whole number"),
        (
            r#"{"published_at": "2026-01-02"}"#,
            "publishedAt: must be an RFC 3339 timestamp",
        ),
        (
            r#"{"publishedAt": 1}"#,
            "publishedAt: must be an RFC 3339 timestamp",
        ),
        (
            r#"{"publishedAt": {"seconds": 1}}"#,
            "publishedAt: must be an RFC 3339 timestamp",
        ),
        (
            r#"{"publishedAt": "2026-02-30T00:00:00Z"}"#,
            "publishedAt: must be an RFC 3339 timestamp",
        ),
        (
            r#"{"publishedAt": "9999-12-31T23:59:59-01:00"}"#,
            "publishedAt: must be an RFC 3339 timestamp",
        ),
        (r#"{"labels": []}"#, "labels: must be an object"),
        (r#"{"labels": {"k": 1}}"#, "labels.k: must be a string"),
        (r#"{"editors": {"k": 1}}"#, "editors.k: must be an object"),
        (
            r#"{"editors": {"k": {"fullName": 1}}}"#,
            "editors.k.fullName: must be a string",
        ),
        (r#"{"translators": [1]}"#, "translators[0]: must be an object"),
        (
            r#"{"translators": [{"fullName": 1}]}"#,
            "translators[0].fullName: must be a string",
        ),
        (r#"{"genre": "GENRE_NOPE"}"#, "genre: must be a name of the enum"),
        (r#"{"genre": "genre_novel"}"#, "genre: must be a name of the enum"),
        (r#"{"genre": 1.5}"#, "genre: must be a name of the enum"),
        ("[]", "body: must be an object"),
        ("null", "body: must be an object"),
        ("\"{}\"", "body: must be an object"),
    ] {
        let errors = refused("/v1/books", body).await;
        assert_eq!(errors, [format!("INVALID_FIELD {error}")], "{body}");
    }
}

#[tokio::test]
async fn null_means_absent_except_for_json_values_and_within_lists_and_maps() {
    let nulls = r#"{
        "name": null, "author": null, "tags": null, "copies": null, "publishedAt": null,
        "subtitle": null, "labels": null, "genre": null
    }"#;
    assert_eq!(created(nulls).await, json!({}));
    assert_eq!(created(r#"{"extra": null}"#).await, json!({"extra": null}));
    for (body, error) in [
        (r#"{"tags": [null]}"#, "INVALID_FIELD tags[0]: must be a string"),
        (
            r#"{"translators": [null]}"#,
            "INVALID_FIELD translators[0]: must be an object",
        ),
        (
            r#"{"labels": {"a": null}}"#,
            "INVALID_FIELD labels.a: must be a string",
        ),
    ] {
        assert_eq!(refused("/v1/books", body).await, [error], "{body}");
    }
}

#[tokio::test]
async fn well_known_types_have_their_json_forms() {
    for (body, message) in [
        (
            r#"{"publishedAt": "2026-01-02T03:04:05.5+01:00"}"#,
            json!({"publishedAt": "2026-01-02T02:04:05.500Z"}),
        ),
        (
            r#"{"extra": [null, true, 1, "a", {"b": []}]}"#,
            json!({"extra": [null, true, 1.0, "a", {"b": []}]}),
        ),
        (r#"{"genre": 1}"#, json!({"genre": "GENRE_NOVEL"})),
        (r#"{"genre": 7}"#, json!({"genre": 7})),
        (r#"{"copies": 12}"#, json!({"copies": "12"})),
        (r#"{"copies": "-12"}"#, json!({"copies": "-12"})),
        (r#"{"copies": 1e3}"#, json!({"copies": "1000"})),
    ] {
        assert_eq!(created(body).await, message, "{body}");
    }
}

#[tokio::test]
async fn a_body_that_is_not_json_is_rejected() {
    for body in [
        "{",
        "{}x",
        "\u{feff}{}",
        "{'name': 'a'}",
        "name=a",
        "{\"a\": \"\\ud800\"}",
    ] {
        let errors = refused("/v1/books", body).await;
        assert_eq!(errors.len(), 1, "{body}");
        assert!(errors[0].starts_with("MALFORMED_JSON "), "{errors:?}");
    }
}

#[tokio::test]
async fn the_content_type_is_json_or_absent() {
    for content_type in [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        "application/json;charset=\"utf-8\"",
        "application/json-patch+json",
        "",
    ] {
        let request = with_header(post("/v1/books", "{}"), "content-type", content_type);
        assert_eq!(call(request).await.rpc, "CreateBook", "{content_type}");
    }
    for content_type in [
        "text/plain",
        "text/json",
        "application/jsonx",
        "application/json-patch",
        "application/x-www-form-urlencoded",
        "json",
        "application/grpc",
        "\u{e9}",
    ] {
        let request = with_header(post("/v1/books", "{}"), "content-type", content_type);
        let response = refusal(request).await;
        assert_eq!(response.status, 415, "{content_type}");
        assert_eq!(
            response.errors(),
            ["UNSUPPORTED_MEDIA_TYPE the body must be application/json or application/json-patch+json"]
        );
    }
}

/// A body in pieces, without a length.
fn streamed(text: &str) -> Body {
    let pieces: Vec<_> = text
        .as_bytes()
        .chunks(1000)
        .map(|piece| Ok::<_, io::Error>(Frame::data(Bytes::copy_from_slice(piece))))
        .collect();
    Body::new(StreamBody::new(stream::iter(pieces)))
}

#[tokio::test]
async fn a_body_has_at_most_1_mib() {
    let fits = "{}".to_owned() + &" ".repeat(1024 * 1024 - 2);
    let too_large = format!("{fits} ");
    assert_eq!(call(post("/v1/books", fits.clone())).await.rpc, "CreateBook");
    assert_eq!(call(post("/v1/books", streamed(&fits))).await.rpc, "CreateBook");
    for body in [Body::from(too_large.clone()), streamed(&too_large)] {
        let response = refusal(post("/v1/books", body)).await;
        assert_eq!(response.status, 413);
        assert_eq!(
            response.errors(),
            ["BODY_TOO_LARGE the body is larger than 1 MiB"]
        );
    }
    let wrong_type = with_header(post("/v1/books", too_large), "content-type", "text/plain");
    assert_eq!(refusal(wrong_type).await.status, 415);
}

/// A body with a length whose data never arrives.
struct Promised(u64);

impl http_body::Body for Promised {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0)
    }
}

#[tokio::test]
async fn a_body_with_a_length_over_the_limit_is_not_awaited() {
    let response = refusal(post("/v1/books", Body::new(Promised(1024 * 1024 + 1)))).await;
    assert_eq!(response.status, 413);
}

#[tokio::test]
async fn a_body_that_ends_early_is_rejected() {
    let pieces = [
        Ok(Frame::data(Bytes::from("{}"))),
        Err(io::Error::other("secret")),
    ];
    let body = Body::new(StreamBody::new(stream::iter(pieces)));
    let response = refusal(post("/v1/books", body)).await;
    assert_eq!(response.errors(), ["MALFORMED_JSON the body ended early"]);
}

#[tokio::test]
async fn a_body_without_use_is_ignored() {
    for (method, uri) in [("GET", "/v2/books/a"), ("DELETE", "/v1/books/a")] {
        let request = with_header(request(method, uri, "{"), "content-type", "text/plain");
        assert_eq!(call(request).await.message, json!({"name": "a"}));
    }
    assert_eq!(call(get("/v1/books")).await.message, json!({}));
}

#[tokio::test]
async fn a_body_is_not_read_before_the_caller_is_authenticated() {
    let endless = Body::new(StreamBody::new(
        stream::pending::<Result<Frame<Bytes>, io::Error>>(),
    ));
    let response = refusal(with_header(
        post("/v1:close", endless),
        "content-type",
        "text/plain",
    ))
    .await;
    assert_eq!(response.status, 401);
    assert_eq!(response.header("www-authenticate"), Some("Bearer"));
    assert_eq!(response.json()["errors"][0]["code"], "TOKEN_MISSING");
}
