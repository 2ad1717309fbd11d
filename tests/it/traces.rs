//! Spans over OTLP, as the real binary exports them.

use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    trace::v1::Span,
};
use tokio::net::TcpListener;
use tonic::{Request, Response, Status, transport::server::TcpIncoming};

use crate::support::{http::COLLECTION, process::Served};

/// Keeps the spans that it is sent.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<Span>>>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let scopes = request
            .into_inner()
            .resource_spans
            .into_iter()
            .flat_map(|resource| resource.scope_spans);
        self.0
            .lock()
            .unwrap()
            .extend(scopes.flat_map(|scope| scope.spans));
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_a_span_of_its_callers_trace() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let collector = Collector::default();
    let service = TraceServiceServer::new(collector.clone());
    let serving = tonic::transport::Server::builder().add_service(service);
    let serving = tokio::spawn(serving.serve_with_incoming(TcpIncoming::from(listener)));

    let dir = tempfile::tempdir().unwrap();
    let mut served =
        Served::start_with_env(dir.path(), &[], &[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)]).await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let trace_id = "0af7651916cd43dd8448eb211c80319c";
    let list = http
        .get(format!("{}{COLLECTION}", served.rest))
        .bearer_auth(&served.token)
        .header("traceparent", format!("00-{trace_id}-b7ad6b7169203331-01"));
    assert_eq!(list.send().await.unwrap().status(), 200);
    // What is left is sent before the process ends.
    served.terminate().await;
    assert_eq!(served.exit_code().await, Some(0));

    let spans = collector.0.lock().unwrap();
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
    serving.abort();
}
