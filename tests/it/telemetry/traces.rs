//! Spans over OTLP, as the real binary exports them.

use crate::support::{collector::Collector, http::COLLECTION, process::Served};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_a_span_of_its_callers_trace() {
    let collector = Collector::start().await;
    let dir = tempfile::tempdir().unwrap();
    let env = [("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint.as_str())];
    let mut served = Served::start_with_env(dir.path(), &[], &env).await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let trace_id = "0af7651916cd43dd8448eb211c80319c";
    let list = http
        .get(format!("{}{COLLECTION}", served.rest))
        .bearer_auth(&served.token)
        .header("traceparent", format!("00-{trace_id}-b7ad6b7169203331-01"));
    assert_eq!(list.send().await.unwrap().status(), 200);
    // The rest is exported before the process ends.
    served.terminate().await;
    assert_eq!(served.exit_code().await, Some(0));

    let spans = collector.spans();
    let name = "/oauth_clients.v1.OAuthClientService/ListOAuthClients";
    let span = spans
        .iter()
        .find(|span| span.name == name)
        .expect("the span of the call");
    assert_eq!(
        u128::from_str_radix(trace_id, 16).unwrap().to_be_bytes(),
        *span.trace_id
    );
    assert_eq!(0xb7ad_6b71_6920_3331_u64.to_be_bytes(), *span.parent_span_id);
}
