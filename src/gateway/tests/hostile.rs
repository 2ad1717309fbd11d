//! Requests that try to crash the process, or to make it use time or memory without bounds.

use std::time::{Duration, Instant};

use axum::body::Body;
use http::Request;

use super::{exchange, framed, get, post};

const MIB: usize = 1024 * 1024;
/// About the length of the longest URI that the `http` crate accepts.
const URI: usize = 65_000;

/// Limits of a response and its time: far more than it needs, and far less than anything quadratic.
const MAX_ANSWER_BYTES: usize = 100_000;
const MAX_ANSWER_TIME: Duration = Duration::from_secs(10);

/// Repeats a text between a prefix and a suffix, up to a size.
fn filled(before: &str, text: &str, after: &str, size: usize) -> String {
    let count = (size - before.len() - after.len()) / text.len();
    format!("{before}{}{after}", text.repeat(count))
}

/// Returns an object with as many members as fit.
fn members(size: usize) -> String {
    let members: Vec<String> = (0..size / 10).map(|n| format!("\"{n:05x}\":0")).collect();
    format!("{{{}}}", members.join(","))
}

async fn survives(request: Request<Body>) {
    let uri: String = request.uri().to_string().chars().take(60).collect();
    let started = Instant::now();
    let (response, _) = exchange(request, |_| framed(b"")).await;
    let bytes = response.body.len();
    assert!(bytes < MAX_ANSWER_BYTES, "{uri}: {bytes} bytes");
    let time = started.elapsed();
    assert!(time < MAX_ANSWER_TIME, "{uri}: {time:?}");
}

#[tokio::test]
async fn a_body_of_any_shape_gets_a_short_response() {
    let half = "a".repeat(MIB / 2);
    for body in [
        "[".repeat(MIB),
        filled("", r#"{"a":"#, "", MIB),
        filled("", r#"{"extra":[{"a":"#, "", MIB),
        filled("[", "[],", "[]]", MIB),
        filled(r#"{"tags":["#, "0,", "0]}", MIB),
        filled(r#"{"tags":["#, "null,", "0]}", MIB),
        filled(r#"{"translators":["#, "{},", "0]}", MIB),
        filled(r#"{"translators":["#, r#"{"":0},"#, "0]}", MIB),
        filled(r#"{"copies":"#, "9", "}", MIB),
        filled(r#"{"copies":""#, "9", "\"}", MIB),
        filled(r#"{"publishedAt":""#, "9", "\"}", MIB),
        members(MIB),
        format!(r#"{{"author":{}}}"#, members(MIB - 100)),
        // Many values within one with a long name.
        format!(r#"{{"editors":{{"{half}":{}}}}}"#, members(MIB / 2 - 100)),
    ] {
        assert!(body.len() <= MIB, "{}", body.len());
        survives(post("/v1/books", body)).await;
    }
}

#[tokio::test]
async fn a_uri_of_any_shape_gets_a_short_response() {
    for uri in [
        filled("/v1/books?", "a&", "", URI),
        filled("/v1/books?", "%&", "", URI),
        filled("/v1/books?", "tags&", "", URI),
        filled("/v1/books?", "lent=true&", "", URI),
        filled("/v1/books?pageSize=", "9", "", URI),
        filled("/v1/books?", "a.", "=1", URI),
        filled("/v1/books?author.", "mentor.", "fullName=a", URI),
        filled(
            "/v1/books?like.extra.",
            "structValue.fields.value.",
            "stringValue=a",
            URI,
        ),
        filled("/v2/books/", "%2F", "", URI),
        filled("/v1/shelves/", "%2f", "/books/2", URI),
        filled("/", "v1/", "", URI),
        filled("/v1", ":", "", URI),
    ] {
        survives(get(&uri)).await;
    }
    survives(post(&filled("/v1/books/", "%2f/", ":addPages", URI), "[]")).await;
}

#[tokio::test]
async fn a_parameter_is_nested_no_deeper_than_a_body() {
    let nested = |mentors: usize| format!("/v1/books?author.{}fullName=a", "mentor.".repeat(mentors));
    let (deep, _) = exchange(get(&nested(14)), |_| framed(b"")).await;
    assert_eq!(deep.status, 200);
    let (deeper, _) = exchange(get(&nested(15)), |_| framed(b"")).await;
    assert_eq!(deeper.status, 400);
}

#[tokio::test]
async fn a_response_names_at_most_100_violations() {
    for request in [
        post("/v1/books", members(MIB)),
        get(&filled("/v1/books?", "a&", "", URI)),
    ] {
        let (response, _) = exchange(request, |_| framed(b"")).await;
        assert_eq!(response.errors().len(), 100);
    }
}

#[tokio::test]
async fn a_long_name_is_shortened_in_the_response() {
    let (response, _) = exchange(
        post("/v1/books", format!("{{\"{}\":0}}", "é".repeat(300))),
        |_| framed(b""),
    )
    .await;
    let name = "é".repeat(256);
    assert_eq!(
        response.errors(),
        [format!("UNKNOWN_FIELD {name}…: is not a member of this request")]
    );
}
