//! The export of spans and metrics to an OTLP collector, and of metrics to Prometheus.

use std::{env, time::Duration};

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{ExporterBuildError, MetricExporter, SpanExporter};
use opentelemetry_sdk::{
    Resource,
    error::{OTelSdkError, OTelSdkResult},
    metrics::SdkMeterProvider,
    propagation::TraceContextPropagator,
    trace::SdkTracerProvider,
};
use thiserror::Error;
use tracing::Subscriber;
use tracing_subscriber::{EnvFilter, Layer, registry::LookupSpan};

use super::prometheus;
use crate::io::bounded;

/// The longest that the end of the process waits for the last spans, and for the last metrics.
const FLUSH_LIMIT: Duration = Duration::from_secs(2);

/// An exporter cannot be set up.
#[derive(Debug, Error)]
pub(crate) enum ExporterError {
    #[error("the OTLP exporter cannot be set up")]
    Otlp(#[from] ExporterBuildError),
    #[error("the Prometheus exporter cannot be set up")]
    Prometheus(#[from] OTelSdkError),
}

/// Returns `true` if a collector is configured.
pub(super) fn has_collector() -> bool {
    env::var_os("OTEL_EXPORTER_OTLP_ENDPOINT").is_some_and(|endpoint| !endpoint.is_empty())
}

/// The exporters. They send what is left when they are dropped.
#[derive(Debug)]
pub(super) struct Exporters {
    /// `None` without a collector.
    traces: Option<SdkTracerProvider>,
    metrics: SdkMeterProvider,
}

impl Exporters {
    /// Starts the exporters. Those to a collector read the environment variables of the OTLP specification.
    pub(super) fn start(collected: bool, scraped: bool) -> Result<Self, ExporterError> {
        Ok(Self {
            traces: collected.then(traces).transpose()?,
            metrics: metrics(collected, scraped)?,
        })
    }

    /// Returns the layer that exports spans. The exporter's own requests have none: each would cause another.
    pub(super) fn span_layer<S>(&self) -> Option<impl Layer<S> + use<S>>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        let tracer = self.traces.as_ref()?.tracer("oauth-clients");
        let layer = tracing_opentelemetry::layer().with_tracer(tracer);
        Some(layer.with_filter(EnvFilter::new("oauth_clients=info")))
    }
}

impl Drop for Exporters {
    fn drop(&mut self) {
        let (traces, metrics) = (self.traces.clone(), self.metrics.clone());
        if let Some(traces) = traces
            && let Err(error) = flush(move || traces.shutdown())
        {
            tracing::warn!(%error, "last spans not sent");
        }
        if let Err(error) = flush(move || metrics.shutdown()) {
            tracing::warn!(%error, "last metrics not sent");
        }
    }
}

/// Runs the shutdown of an exporter, whose own time limits are longer.
fn flush(shutdown: impl FnOnce() -> OTelSdkResult + Send + 'static) -> OTelSdkResult {
    let timed_out = Err(OTelSdkError::Timeout(FLUSH_LIMIT));
    bounded::within(FLUSH_LIMIT, shutdown).unwrap_or(timed_out)
}

fn traces() -> Result<SdkTracerProvider, ExporterBuildError> {
    let exporter = SpanExporter::builder().with_tonic().build()?;
    opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(resource())
        .build())
}

/// Returns the meter provider. It sends metrics to a collector every minute or `OTEL_METRIC_EXPORT_INTERVAL`.
fn metrics(collected: bool, scraped: bool) -> Result<SdkMeterProvider, ExporterError> {
    let mut metrics = SdkMeterProvider::builder().with_resource(resource());
    if collected {
        metrics = metrics.with_periodic_exporter(MetricExporter::builder().with_tonic().build()?);
    }
    if scraped {
        metrics = metrics.with_reader(prometheus::reader()?);
    }
    let metrics = metrics.build();
    opentelemetry::global::set_meter_provider(metrics.clone());
    Ok(metrics)
}

fn resource() -> Resource {
    Resource::builder().with_service_name("oauth-clients").build()
}
