//! Logs, traces and metrics. Logs go to standard error; spans and metrics go to an OTLP collector when
//! `OTEL_EXPORTER_OTLP_ENDPOINT` says where one is.

mod log_writer;

use std::{
    env,
    io::{self, IsTerminal as _},
    panic,
    sync::Arc,
};

use clap::ValueEnum;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{ExporterBuildError, MetricExporter, SpanExporter};
use opentelemetry_sdk::{
    Resource, metrics::SdkMeterProvider, propagation::TraceContextPropagator, trace::SdkTracerProvider,
};
use thiserror::Error;
use tracing_appender::non_blocking::NonBlocking;
use tracing_subscriber::{
    EnvFilter, Layer as _, Registry,
    filter::{FilterExt as _, LevelFilter, ParseError, Targets},
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

use self::log_writer::{LogGuard, log_writer};
use crate::metrics::observe_lost_log_lines;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// As text on a terminal, as JSON otherwise.
    Auto,
    /// For people.
    Text,
    /// A JSON object a line.
    Json,
}

/// Why there is no telemetry.
#[derive(Debug, Error)]
pub enum TelemetryError {
    /// The log filter is none.
    #[error("the log filter is malformed")]
    Filter(#[from] ParseError),
    /// The exporter cannot be set up.
    #[error("the OTLP exporter cannot be set up")]
    Exporter(#[from] ExporterBuildError),
    /// Something else logs already.
    #[error("the log is set up already")]
    Installed(#[from] tracing_subscriber::util::TryInitError),
}

/// Keeps telemetry running. Sends what is left when it is dropped, and then writes the last lines of the log.
#[derive(Debug)]
pub struct Telemetry {
    traces: Option<SdkTracerProvider>,
    metrics: Option<SdkMeterProvider>,
    _log: LogGuard,
}

impl Telemetry {
    /// Sets logs, traces and metrics up, for the whole process. It has to be called inside of the runtime.
    ///
    /// # Errors
    /// When the filter is malformed, or the exporter cannot be set up.
    pub fn install(format: LogFormat, filter: &str) -> Result<Self, TelemetryError> {
        let (traces, metrics) = if has_collector() {
            (Some(traces()?), Some(metrics()?))
        } else {
            (None, None)
        };
        let exported = traces.as_ref().map(|traces| {
            tracing_opentelemetry::layer()
                .with_tracer(traces.tracer("oauth-clients"))
                .with_filter(
                    // The exporter's own calls must not be traced, or they would never end.
                    EnvFilter::new("oauth_clients=info"),
                )
        });
        let (writer, log) = log_writer();
        let lost = Arc::clone(&log.lost);
        observe_lost_log_lines(move || lost.count());
        Registry::default()
            .with(exported)
            .with(log_lines(format, writer).with_filter(EnvFilter::try_new(filter)?.and(most())))
            .try_init()?;
        panic::set_hook(Box::new(|panic| {
            let place = panic.location().map(ToString::to_string);
            tracing::error!(place, message = panic.payload_as_str(), "a thread panicked");
        }));
        Ok(Self {
            traces,
            metrics,
            _log: log,
        })
    }
}

/// The most that is logged, whatever the filter says. At `TRACE` libraries show what they work with, such as SeaORM the URL
/// of the database, and a password with it.
fn most() -> Targets {
    Targets::new()
        .with_default(LevelFilter::DEBUG)
        .with_target("oauth_clients", LevelFilter::TRACE)
}

fn log_lines(
    format: LogFormat,
    writer: NonBlocking,
) -> Box<dyn tracing_subscriber::Layer<Layered> + Send + Sync> {
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    let terminal = io::stderr().is_terminal();
    match format {
        LogFormat::Json => lines.json().flatten_event(true).with_span_list(false).boxed(),
        LogFormat::Auto if !terminal => lines.json().flatten_event(true).with_span_list(false).boxed(),
        LogFormat::Auto | LogFormat::Text => lines.with_ansi(terminal).with_target(false).boxed(),
    }
}

type Exported = tracing_subscriber::filter::Filtered<
    tracing_opentelemetry::OpenTelemetryLayer<Registry, opentelemetry_sdk::trace::SdkTracer>,
    EnvFilter,
    Registry,
>;
type Layered = tracing_subscriber::layer::Layered<Option<Exported>, Registry>;

fn has_collector() -> bool {
    env::var_os("OTEL_EXPORTER_OTLP_ENDPOINT").is_some_and(|endpoint| !endpoint.is_empty())
}

fn resource() -> Resource {
    Resource::builder().with_service_name("oauth-clients").build()
}

fn traces() -> Result<SdkTracerProvider, ExporterBuildError> {
    let exporter = SpanExporter::builder().with_tonic().build()?;
    opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
    let traces = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(resource())
        .build();
    Ok(traces)
}

/// Sends what was measured every minute, or as often as `OTEL_METRIC_EXPORT_INTERVAL` says.
fn metrics() -> Result<SdkMeterProvider, ExporterBuildError> {
    let exporter = MetricExporter::builder().with_tonic().build()?;
    let metrics = SdkMeterProvider::builder()
        .with_periodic_exporter(exporter)
        .with_resource(resource())
        .build();
    opentelemetry::global::set_meter_provider(metrics.clone());
    Ok(metrics)
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        if let Some(traces) = &self.traces
            && let Err(error) = traces.shutdown()
        {
            tracing::warn!(%error, "the last spans were not sent");
        }
        if let Some(metrics) = &self.metrics
            && let Err(error) = metrics.shutdown()
        {
            tracing::warn!(%error, "the last metrics were not sent");
        }
    }
}
