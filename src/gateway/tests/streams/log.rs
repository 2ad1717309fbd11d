//! The line in the log of a stream.

use std::{
    fs::File,
    io::{Read as _, Seek as _},
    sync::{Arc, Mutex},
};

use futures_util::stream;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::layer::SubscriberExt as _;

use super::*;
use crate::{rpc::stack::request_log::record_outcome, telemetry::json_lines};

/// The log of this thread.
pub(super) struct Log {
    file: File,
    _default: DefaultGuard,
}

impl Log {
    pub(super) fn new() -> Self {
        let file = tempfile::tempfile().unwrap();
        let writer = Arc::new(file.try_clone().unwrap());
        let subscriber = tracing_subscriber::registry().with(json_lines(writer));
        Self {
            file,
            _default: tracing::subscriber::set_default(subscriber),
        }
    }

    pub(super) fn lines(&mut self) -> Vec<Value> {
        let mut text = String::new();
        self.file.rewind().unwrap();
        self.file.read_to_string(&mut text).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

#[tokio::test]
async fn a_stream_is_logged_when_it_ends() {
    for (last, code, reason) in [
        (None, "OK", None),
        (
            Some(Status::from(Failure::new(ErrorReason::Unavailable, "no"))),
            "UNAVAILABLE",
            Some("UNAVAILABLE"),
        ),
    ] {
        let mut log = Log::new();
        let mut lines = lines(streaming(move || {
            let last = last.clone().map(Err);
            stream::iter(
                [Ok(chapter(0, 40_000)), Ok(chapter(1, 1))]
                    .into_iter()
                    .chain(last),
            )
        }))
        .await;
        lines.next().await.unwrap();
        assert_eq!(log.lines(), Vec::<Value>::new());
        let request_id = lines.header("x-request-id").unwrap().to_owned();
        lines.rest().await;
        let logged = log.lines();
        assert_eq!(logged.len(), 1, "{logged:?}");
        assert_eq!(logged[0]["message"], "request completed");
        assert_eq!(logged[0]["method"], "/library.v1.Library/ReadBook");
        assert_eq!(logged[0]["code"], code);
        assert_eq!(logged[0]["reason"].as_str(), reason);
        assert_eq!(logged[0]["request_id"], request_id);
    }
}

#[tokio::test]
async fn a_stream_that_is_dropped_is_logged_as_cancelled() {
    let mut log = Log::new();
    let response = lines(streaming(|| chapters(1).chain(stream::pending()))).await;
    drop(response);
    let logged = log.lines();
    assert_eq!(logged.len(), 1, "{logged:?}");
    assert_eq!(logged[0]["code"], "CANCELLED");
    assert_eq!(logged[0]["message"], "request completed");
}

#[tokio::test]
async fn a_failure_before_the_first_message_is_logged_once() {
    let mut log = Log::new();
    let status = Status::from(Failure::new(ErrorReason::Unavailable, "no"));
    let response = lines(streaming(move || stream::iter([Err(status.clone())]))).await;
    assert_eq!(response.status, 503);
    let logged = log.lines();
    assert_eq!(logged.len(), 1, "{logged:?}");
    assert_eq!(logged[0]["code"], "UNAVAILABLE");
}

#[tokio::test]
async fn the_cause_that_a_handler_records_is_logged() {
    let status = || {
        Status::from(Failure::unavailable(std::io::Error::other(
            "the database is gone",
        )))
    };
    for count in [0, 1] {
        let mut log = Log::new();
        lines(streaming(move || {
            let last = stream::once(async move {
                let status = status();
                record_outcome(&status);
                Err(status)
            });
            chapters(count).chain(last)
        }))
        .await
        .body
        .collect()
        .await
        .unwrap();
        let logged = log.lines();
        assert_eq!(logged.len(), 1, "{logged:?}");
        assert_eq!(logged[0]["level"], "WARN");
        assert_eq!(logged[0]["cause"], "the database is gone");
    }
}

#[tokio::test]
async fn the_causes_of_internal_errors_are_logged() {
    let panicking = streaming(|| {
        let first = stream::iter([Ok(chapter(1, 40_000))]);
        first.chain(stream::once(async { panic!("secret") }))
    });
    let malformed = gateway(|| {
        let bytes = [&b"\0\0\0\0\0"[..], b"\0\0\0\0\x01\xff"].concat();
        Response::new(Body::new(http_body_util::Full::new(Bytes::from(bytes))))
    });
    for (gateway, cause) in [
        (panicking, "the handler panicked"),
        (malformed, "the message of the response cannot be decoded"),
    ] {
        let mut log = Log::new();
        lines(gateway).await.rest().await;
        let logged = log.lines();
        assert_eq!(logged.len(), 1, "{logged:?}");
        assert_eq!(logged[0]["message"], "request failed: internal error");
        assert!(
            logged[0]["cause"].as_str().unwrap().starts_with(cause),
            "{logged:?}"
        );
    }
}

#[tokio::test]
async fn events_of_a_stream_are_within_the_span_of_its_request() {
    let spans = Arc::new(Mutex::new(Vec::new()));
    let _log = Log::new();
    let seen = Arc::clone(&spans);
    let response = lines(streaming(move || {
        let seen = Arc::clone(&seen);
        stream::iter(0..2).map(move |number| {
            seen.lock().unwrap().push(tracing::Span::current().id());
            Ok(chapter(number, 40_000))
        })
    }))
    .await;
    response.rest().await;
    let spans = spans.lock().unwrap();
    assert!(spans[0].is_some() && spans[0] == spans[1], "{spans:?}");
}
