//! Streams that fail, before and after their first message.

use futures_util::stream;
use http_body::Frame;
use http_body_util::StreamBody;
use tonic_types::{ErrorDetails, FieldViolation, StatusExt as _};

use super::{lines::trailers, *};
use crate::rpc::frame;

const INTERNAL: &str = "an unexpected error occurred: the log says more under the request id";

fn unavailable() -> Status {
    let failure = Failure::new(ErrorReason::Unavailable, "try again later");
    failure.retry_after(Duration::from_secs(7)).into()
}

/// Returns a stream that has `count` messages before an item.
fn then(count: usize, last: Item) -> Gateway {
    streaming(move || chapters(count).chain(stream::iter([last.clone()])))
}

/// Returns the error of the last line, after `count` lines.
async fn last_error(gateway: Gateway, count: usize) -> Value {
    let lines = lines(gateway).await;
    assert_eq!(lines.status, 200);
    let mut lines = lines.rest().await;
    let mut last = lines.pop().unwrap();
    assert_eq!(lines.len(), count);
    assert!(lines.iter().all(|line| line.get("result").is_some()), "{lines:?}");
    assert_eq!(last.as_object().unwrap().len(), 1, "{last}");
    last["error"].take()
}

#[tokio::test]
async fn a_failure_before_the_first_message_is_a_response_of_its_own() {
    let in_headers = lines(gateway(|| unavailable().into_http())).await;
    let in_trailers = lines(then(0, Err(unavailable()))).await;
    for response in [in_headers, in_trailers] {
        assert_eq!(response.status, 503);
        assert_eq!(response.header("retry-after"), Some("7"));
        let error = json!({"code": "UNAVAILABLE", "title": "Unavailable", "detail": "try again later"});
        assert_eq!(response.error().await, error);
    }
}

#[tokio::test]
async fn a_failure_after_messages_is_the_last_line() {
    for count in [1, 3, 10_000] {
        assert_eq!(
            last_error(then(count, Err(unavailable())), count).await,
            json!({"code": "UNAVAILABLE", "title": "Unavailable", "detail": "try again later"}),
        );
    }
}

#[tokio::test]
async fn a_last_line_has_one_error_whatever_its_violations() {
    let mut details =
        ErrorDetails::with_error_info("INVALID_FIELD", "oauth-clients", std::collections::HashMap::new());
    details.set_bad_request(["a", "b"].map(|field| FieldViolation {
        field: field.to_owned(),
        description: "is odd".to_owned(),
        reason: "INVALID_FIELD".to_owned(),
        localized_message: None,
    }));
    let status = Status::with_error_details(Code::InvalidArgument, "a: is odd; and 1 more", details);
    let error = last_error(then(1, Err(status)), 1).await;
    assert_eq!(error["detail"], "a: is odd; and 1 more");

    let without_reason = last_error(then(1, Err(Status::unknown("no"))), 1).await;
    assert_eq!(
        without_reason,
        json!({"code": "INTERNAL", "title": "Internal error", "detail": "no"})
    );
}

#[tokio::test]
async fn a_panic_ends_a_stream_with_an_internal_error() {
    fn panicking(count: usize) -> Gateway {
        streaming(move || chapters(count).chain(stream::once(async { panic!("secret") })))
    }
    let first = lines(panicking(0)).await;
    assert_eq!(first.status, 500);
    assert_eq!(first.error().await["detail"], INTERNAL);
    // The messages before a panic are lost if they are not sent yet, as tonic holds them back for the next ones.
    let later = streaming(|| {
        let first = stream::iter([Ok(chapter(1, 100_000))]);
        first.chain(stream::once(async { panic!("secret") }))
    });
    let error = last_error(later, 1).await;
    assert_eq!(
        (&error["code"], &error["detail"]),
        (&json!("INTERNAL"), &json!(INTERNAL))
    );
}

#[tokio::test]
async fn an_invalid_stream_is_an_internal_error_without_details() {
    let good = frame::encode(&chapter(1, 1));
    let end = || trailers(&Status::ok(""));
    let data = |bytes: &'static [u8]| Frame::data(Bytes::from_static(bytes));
    for frames in [
        // No status.
        Vec::new(),
        vec![Frame::trailers(HeaderMap::new())],
        // An incomplete frame, with and without its length.
        vec![data(b"\0\0\0"), end()],
        vec![data(b"\0\0\0\0\x02\x08"), end()],
        // Compressed.
        vec![data(b"\x01\0\0\0\0"), end()],
        // Not a message.
        vec![data(b"\0\0\0\0\x01\xff"), end()],
    ] {
        for count in [0, 1] {
            let items: Vec<_> = [Frame::data(good.clone())][..count]
                .iter()
                .chain(&frames)
                .map(copy)
                .collect();
            let items = std::sync::Arc::new(std::sync::Mutex::new(Some(items)));
            let gateway = gateway(move || {
                let items = items.lock().unwrap().take().unwrap().into_iter();
                Response::new(Body::new(StreamBody::new(stream::iter(
                    items.map(Ok::<_, Status>),
                ))))
            });
            let error = if count == 0 {
                let response = lines(gateway).await;
                assert_eq!(response.status, 500, "{frames:?}");
                response.error().await
            } else {
                last_error(gateway, 1).await
            };
            assert_eq!(
                (&error["code"], &error["detail"]),
                (&json!("INTERNAL"), &json!(INTERNAL))
            );
        }
    }
}

#[tokio::test]
async fn a_body_that_fails_ends_the_stream() {
    let gateway = gateway(|| {
        let frames = [
            Ok(Frame::data(frame::encode(&chapter(1, 1)))),
            Err(Status::internal("secret")),
        ];
        Response::new(Body::new(StreamBody::new(stream::iter(frames))))
    });
    assert_eq!(last_error(gateway, 1).await["detail"], INTERNAL);
}

fn copy(frame: &Frame<Bytes>) -> Frame<Bytes> {
    match (frame.data_ref(), frame.trailers_ref()) {
        (Some(data), _) => Frame::data(data.clone()),
        (_, trailers) => Frame::trailers(trailers.cloned().unwrap_or_default()),
    }
}
