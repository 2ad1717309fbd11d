//! Streams that would not end by themselves.

use std::time::{Duration, Instant};

use futures_util::stream;
use tonic::{Code, Streaming};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse, health_client::HealthClient};
use tonic_reflection::pb::{v1, v1alpha};

use super::{LONG, serve};
use crate::support::{TestServer, eventually};

async fn watch(server: &TestServer) -> Streaming<HealthCheckResponse> {
    let mut health = HealthClient::new(server.transports.channel.clone());
    let watching = health.watch(HealthCheckRequest::default()).await;
    let mut watching = watching.unwrap().into_inner();
    watching.message().await.unwrap().expect("the health now");
    watching
}

/// Opens a stream of reflection whose requests do not end, reads a response, and returns the stream.
macro_rules! reflect {
    ($server:expr, $version:ident) => {{
        let request = $version::ServerReflectionRequest {
            host: String::new(),
            message_request: Some($version::server_reflection_request::MessageRequest::ListServices(
                String::new(),
            )),
        };
        let requests = stream::unfold(Some(request), async |request| match request {
            Some(request) => Some((request, None)),
            None => std::future::pending().await,
        });
        let channel = $server.transports.channel.clone();
        let mut client = $version::server_reflection_client::ServerReflectionClient::new(channel);
        let mut responses = client
            .server_reflection_info(requests)
            .await
            .unwrap()
            .into_inner();
        responses.message().await.unwrap().expect("the services");
        responses
    }};
}

/// Waits for the end of a stream, and returns its status.
async fn end<T>(mut stream: Streaming<T>) -> Code {
    let ended = tokio::time::timeout(LONG, async {
        loop {
            match stream.message().await {
                Ok(Some(_)) => {}
                Ok(None) => return Code::Ok,
                Err(status) => return status.code(),
            }
        }
    });
    ended.await.expect("it ends")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_of_reflection_ends_after_its_time() {
    let limit = Duration::from_millis(300);
    let server = serve(|limits| limits.reflection_timeout = limit).await;
    let opened = Instant::now();
    let (old, new) = (reflect!(server, v1alpha), reflect!(server, v1));
    assert_eq!((end(old).await, end(new).await), (Code::Ok, Code::Ok));
    assert!(opened.elapsed() >= limit, "{:?}", opened.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_end_with_the_age_of_their_connection() {
    let server = serve(|limits| limits.max_age = Duration::from_millis(500)).await;
    // Later requests of the channel would open another connection.
    let (watching, reflecting) = (watch(&server).await, reflect!(server, v1));
    assert_eq!(end(watching).await, Code::Unavailable);
    assert_eq!(end(reflecting).await, Code::Ok);
    // A client that watches again is served.
    eventually("another stream", async || {
        // The client may not have noticed yet that the connection has ended.
        let mut health = HealthClient::new(server.transports.channel.clone());
        health.watch(HealthCheckRequest::default()).await.ok()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_end_with_the_drain() {
    let server = serve(|_| {}).await;
    let (watching, reflecting) = (watch(&server).await, reflect!(server, v1));
    let ends = async { (end(watching).await, end(reflecting).await) };
    let (ends, stopped) = tokio::join!(ends, tokio::time::timeout(LONG, server.stop()));
    assert_eq!(ends, (Code::Unavailable, Code::Ok));
    stopped.expect("it stops before the limit of its drain");
}
