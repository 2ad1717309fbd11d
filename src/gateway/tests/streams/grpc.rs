//! The same streams on gRPC, whose stack is another around the same router.

use futures_util::stream;
use http_body::Body as _;
use tokio::time::Instant;

use super::{log::Log, *};
use crate::rpc::{frame, stack::grpc_stack};

/// Calls `ReadBook`, whose handler responds with `items`.
async fn call<S>(
    timeout: Option<&str>,
    items: impl Fn() -> S + Clone + Send + Sync + 'static,
) -> Response<Body>
where
    S: Stream<Item = Item> + Send + 'static,
{
    let mut request = Request::post(method().path.as_str()).header("content-type", "application/grpc");
    if let Some(timeout) = timeout {
        request = request.header("grpc-timeout", timeout);
    }
    let service = grpc_stack(config(), &PROTOS, handler(move || streamed(items())));
    let body = Body::new(http_body_util::Full::new(Bytes::from_static(b"\0\0\0\0\0")));
    let Ok(response) = service.oneshot(request.body(body).unwrap()).await;
    assert!(!response.headers().contains_key("grpc-status"));
    response
}

async fn end(mut response: Response<Body>) -> Status {
    loop {
        let frame = response.body_mut().frame().await.unwrap().unwrap();
        if let Ok(trailers) = frame.into_trailers() {
            assert!(response.body().is_end_stream());
            return Status::from_header_map(&trailers).unwrap();
        }
    }
}

#[tokio::test]
async fn a_stream_is_passed_on_and_logged_at_its_end() {
    let mut log = Log::new();
    let response = call(None, || chapters(2)).await;
    assert_eq!(log.lines().len(), 0);
    let body = response.into_body().collect().await.unwrap();
    assert_eq!(body.trailers().unwrap()["grpc-status"], "0");
    let messages = [0, 1].map(|number| frame::encode(&chapter(number, 1)).to_vec());
    assert_eq!(body.to_bytes(), messages.concat());
    assert_eq!(log.lines()[0]["code"], "OK");
    assert_eq!(log.lines().len(), 1);

    drop(call(None, stream::pending).await);
    assert_eq!(log.lines()[1]["code"], "CANCELLED");
}

#[tokio::test(start_paused = true)]
async fn only_the_timeout_of_a_caller_ends_a_stream() {
    let later = || {
        stream::once(async {
            tokio::time::sleep(Duration::from_hours(1)).await;
            Ok(chapter(1, 1))
        })
    };
    let started = Instant::now();
    assert_eq!(end(call(None, later).await).await.code(), Code::Ok);
    assert_eq!(started.elapsed().as_secs(), 3_600);

    let mut log = Log::new();
    let started = Instant::now();
    let status = end(call(Some("10S"), later).await).await;
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert!(!status.details().is_empty());
    assert_eq!(started.elapsed().as_millis(), 9_995);
    assert_eq!(log.lines()[0]["code"], "DEADLINE_EXCEEDED");
}

#[tokio::test]
async fn a_panic_ends_a_stream_with_an_internal_error() {
    let status = end(call(None, || stream::once(async { panic!("secret") })).await).await;
    assert_eq!(status.code(), Code::Internal);
    assert!(!format!("{status:?}").contains("secret"));
}
