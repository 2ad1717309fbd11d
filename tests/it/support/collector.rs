//! An OTLP collector, which stores what it receives.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use opentelemetry_proto::tonic::{
    collector::{
        metrics::v1::{
            ExportMetricsServiceRequest, ExportMetricsServiceResponse,
            metrics_service_server::{MetricsService, MetricsServiceServer},
        },
        trace::v1::{
            ExportTraceServiceRequest, ExportTraceServiceResponse,
            trace_service_server::{TraceService, TraceServiceServer},
        },
    },
    common::v1::{KeyValue, any_value},
    metrics::v1::{Metric, NumberDataPoint, metric::Data, number_data_point},
    trace::v1::Span,
};
use tokio::{net::TcpListener, task::JoinHandle};
use tonic::{Request, Response, Status, transport::server::TcpIncoming};

/// A collector that listens until this is dropped.
pub(crate) struct Collector {
    pub(crate) endpoint: String,
    received: Received,
    serving: JoinHandle<Result<(), tonic::transport::Error>>,
}

#[derive(Clone, Default)]
struct Received {
    spans: Arc<Mutex<Vec<Span>>>,
    metrics: Arc<Mutex<Vec<Metric>>>,
}

/// A time series of a metric: its attributes, and its count so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Series {
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) count: u64,
}

/// A metric, and the names of the labels of all its series.
#[derive(Debug)]
pub(crate) struct Collected {
    pub(crate) kind: &'static str,
    pub(crate) unit: String,
    pub(crate) labels: BTreeSet<String>,
}

impl Collector {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let received = Received::default();
        let serving = tonic::transport::Server::builder()
            .add_service(TraceServiceServer::new(received.clone()))
            .add_service(MetricsServiceServer::new(received.clone()))
            .serve_with_incoming(TcpIncoming::from(listener));
        Self {
            endpoint,
            received,
            serving: tokio::spawn(serving),
        }
    }

    pub(crate) fn spans(&self) -> Vec<Span> {
        self.received.spans.lock().unwrap().clone()
    }

    /// Returns everything that was received, one span or metric a line.
    pub(crate) fn everything(&self) -> String {
        let metrics = self.received.metrics.lock().unwrap();
        let metrics = metrics.iter().map(|metric| format!("{metric:?}\n"));
        let spans = self.spans();
        let spans = spans.iter().map(|span| format!("{span:?}\n"));
        spans.chain(metrics).collect()
    }

    /// Returns everything that was received, by its name.
    pub(crate) fn metrics(&self) -> BTreeMap<String, Collected> {
        let metrics = self.received.metrics.lock().unwrap();
        let mut collected = BTreeMap::new();
        for metric in metrics.iter() {
            let (kind, points): (_, Vec<_>) = match metric.data.clone().unwrap() {
                Data::Sum(sum) if sum.is_monotonic => ("counter", attributes(sum.data_points)),
                Data::Sum(sum) => ("gauge", attributes(sum.data_points)),
                Data::Gauge(gauge) => ("gauge", attributes(gauge.data_points)),
                Data::Histogram(histogram) => {
                    let points = histogram.data_points.into_iter();
                    ("histogram", points.flat_map(|point| point.attributes).collect())
                }
                other => panic!("how to read this is missing here: {other:?}"),
            };
            let metric = collected.entry(metric.name.clone()).or_insert_with(|| Collected {
                kind,
                unit: metric.unit.clone(),
                labels: BTreeSet::new(),
            });
            metric
                .labels
                .extend(points.into_iter().map(|attribute| attribute.key));
        }
        collected
    }

    /// Returns the time series of a metric, as received last.
    pub(crate) fn series(&self, name: &str) -> Vec<Series> {
        let metrics = self.received.metrics.lock().unwrap();
        let last = metrics.iter().rev().find(|metric| metric.name == name);
        match last.and_then(|metric| metric.data.clone()) {
            None => Vec::new(),
            Some(Data::Sum(sum)) => {
                let points = sum.data_points.into_iter();
                points
                    .map(|point| match point.value {
                        Some(number_data_point::Value::AsInt(count)) => {
                            series(point.attributes, count.cast_unsigned())
                        }
                        other => panic!("not whole: {other:?}"),
                    })
                    .collect()
            }
            Some(Data::Histogram(histogram)) => {
                let points = histogram.data_points.into_iter();
                points
                    .map(|point| series(point.attributes, point.count))
                    .collect()
            }
            other => panic!("how to read this is missing here: {other:?}"),
        }
    }
}

fn attributes(points: Vec<NumberDataPoint>) -> Vec<KeyValue> {
    points.into_iter().flat_map(|point| point.attributes).collect()
}

fn series(attributes: Vec<KeyValue>, count: u64) -> Series {
    let text = |attribute: KeyValue| match attribute.value.and_then(|value| value.value) {
        Some(any_value::Value::StringValue(text)) => (attribute.key, text),
        other => panic!("not a text: {other:?}"),
    };
    let mut attributes: Vec<(String, String)> = attributes.into_iter().map(text).collect();
    attributes.sort();
    Series { attributes, count }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

#[tonic::async_trait]
impl TraceService for Received {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let resources = request.into_inner().resource_spans.into_iter();
        let scopes = resources.flat_map(|resource| resource.scope_spans);
        self.spans
            .lock()
            .unwrap()
            .extend(scopes.flat_map(|scope| scope.spans));
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Received {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let resources = request.into_inner().resource_metrics.into_iter();
        let scopes = resources.flat_map(|resource| resource.scope_metrics);
        self.metrics
            .lock()
            .unwrap()
            .extend(scopes.flat_map(|scope| scope.metrics));
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}
