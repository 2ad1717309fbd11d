//! The lines of a stream that succeeds.

use futures_util::stream;
use http::Response;
use http_body::Frame;
use http_body_util::StreamBody;

use super::*;
use crate::{
    gateway::tests::{post, refusal, request},
    rpc::frame,
};

#[tokio::test]
async fn each_message_is_a_line() {
    let scan: Vec<u8> = (0..=255).collect();
    let messages = [
        json!({"number": 1, "text": "two\nlines\r\u{2028}\0"}),
        json!({"scan": "AAECAw=="}),
        json!({}),
    ];
    let mut items: Vec<Item> = messages.map(|json| Ok(message(json))).into();
    let mut binary = message(json!({}));
    binary.set_field_by_name("scan", prost_reflect::Value::Bytes(scan.into()));
    items.push(Ok(binary));
    let lines = lines(streaming(move || stream::iter(items.clone()))).await;
    assert_eq!(lines.status, 200);
    assert_eq!(lines.header("content-type"), Some("application/x-ndjson"));
    assert_eq!(lines.header("cache-control"), Some("no-store"));
    assert_eq!(lines.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(lines.header("x-accel-buffering"), Some("no"));
    assert_eq!(lines.header("grpc-metadata-colour"), Some("red"));
    assert!(lines.header("x-request-id").is_some());
    assert_eq!(lines.header("content-length"), None);
    let mut lines = lines.rest().await;
    let binary = lines.pop().unwrap();
    assert_eq!(
        lines,
        [
            json!({"result": {"number": 1, "text": "two\nlines\r\u{2028}\0", "scan": ""}}),
            json!({"result": {"number": 0, "scan": "AAECAw=="}}),
            json!({"result": {"number": 0, "scan": ""}}),
        ]
    );
    assert_eq!(binary["result"]["scan"].as_str().unwrap().len(), 344);
}

#[tokio::test]
async fn a_stream_without_messages_has_no_lines() {
    let with_trailers = lines(streaming(stream::empty)).await;
    let without_body = lines(gateway(|| Status::ok("").into_http())).await;
    for response in [with_trailers, without_body] {
        assert_eq!(response.status, 200);
        assert_eq!(response.header("content-type"), Some("application/x-ndjson"));
        assert_eq!(response.rest().await, Vec::<Value>::new());
    }
}

#[tokio::test]
async fn a_line_may_be_long() {
    let length = 8 * 1024 * 1024;
    let mut lines = lines(streaming(move || stream::iter([Ok(chapter(1, length))]))).await;
    let line = lines.next().await.unwrap();
    assert_eq!(line["result"]["text"].as_str().unwrap().len(), length);
    assert_eq!(lines.next().await, None);
}

#[tokio::test]
async fn messages_need_not_begin_or_end_with_a_frame_of_http() {
    let bytes: Bytes = (0..20)
        .flat_map(|number| frame::encode(&chapter(number, number)).to_vec())
        .collect();
    for size in [1, 3, 7, 50, bytes.len()] {
        let bytes = bytes.clone();
        let gateway = gateway(move || {
            let frames: Vec<_> = bytes
                .chunks(size)
                .map(|chunk| Frame::data(Bytes::copy_from_slice(chunk)))
                .chain([trailers(&Status::ok(""))])
                .map(Ok::<_, Status>)
                .collect();
            Response::new(Body::new(StreamBody::new(stream::iter(frames))))
        });
        let lines = lines(gateway).await.rest().await;
        let numbers: Vec<_> = lines.iter().map(|line| &line["result"]["number"]).collect();
        assert_eq!(numbers, (0..20).collect::<Vec<_>>(), "{size}");
    }
}

#[tokio::test]
async fn a_stream_may_have_a_request_with_a_body() {
    let gateway = || streaming(|| chapters(2));
    let posted = Lines::of(gateway(), post("/v1/books:read", r#"{"name": "a"}"#)).await;
    assert_eq!(posted.rest().await.len(), 2);
    let refused = Lines::of(gateway(), post("/v1/books:read", r#"{"nome": "a"}"#)).await;
    assert_eq!(refused.status, 400);
    assert_eq!(refused.error().await["code"], "UNKNOWN_FIELD");
}

#[tokio::test]
async fn another_http_method_is_refused() {
    for method in ["HEAD", "PATCH", "OPTIONS"] {
        let response = refusal(request(method, "/v1/books/a:read", "")).await;
        assert_eq!(response.status, 405, "{method}");
        // Two other methods take a book that is named `a:read`.
        assert_eq!(response.header("allow"), Some("DELETE, GET, POST"));
    }
}

pub(super) fn trailers(status: &Status) -> Frame<Bytes> {
    Frame::trailers(status.clone().into_http::<()>().headers().clone())
}
