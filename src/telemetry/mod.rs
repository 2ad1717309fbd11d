//! Logs, traces and metrics. Logs go to standard error; spans and metrics go to an OTLP collector if
//! `OTEL_EXPORTER_OTLP_ENDPOINT` is set. Prometheus may scrape the metrics.

mod exporters;
mod json;
mod log;
mod log_writer;
pub(crate) mod metrics;
pub(crate) mod prometheus;

use std::{
    panic,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use thiserror::Error;
use tracing_subscriber::{
    Registry, filter::ParseError, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

pub use self::json::json_lines;
pub(crate) use self::log::LogFormat;
use self::{
    exporters::{ExporterError, Exporters},
    log_writer::{LogGuard, log_writer},
};

/// Is `true` if spans are exported.
static EXPORTS_SPANS: AtomicBool = AtomicBool::new(false);
/// Is `true` if metrics are exported.
static EXPORTS_METRICS: AtomicBool = AtomicBool::new(false);

/// Returns `true` if spans are exported. Otherwise nothing need be made for them.
pub(crate) fn exports_spans() -> bool {
    EXPORTS_SPANS.load(Ordering::Relaxed)
}

/// Returns `true` if metrics are exported. Otherwise nothing need be measured.
pub(crate) fn exports_metrics() -> bool {
    EXPORTS_METRICS.load(Ordering::Relaxed)
}

/// Telemetry cannot be set up.
#[derive(Debug, Error)]
pub(crate) enum TelemetryError {
    #[error("the log filter is malformed")]
    Filter(#[from] ParseError),
    #[error(transparent)]
    Exporter(#[from] ExporterError),
    #[error("the log is already set up")]
    Installed(#[from] tracing_subscriber::util::TryInitError),
}

/// The telemetry of the process. When it is dropped, it sends the remaining spans and metrics and then writes the last
/// lines of the log.
#[derive(Debug)]
pub(crate) struct Telemetry {
    _exporters: Option<Exporters>,
    // Dropped last, as the exporters log their own failures.
    _log: LogGuard,
}

impl Telemetry {
    /// Sets up logs, traces and metrics for the whole process, with metrics as text if they are `scraped`. It must be
    /// called inside the runtime.
    pub(crate) fn install(format: LogFormat, filter: &str, scraped: bool) -> Result<Self, TelemetryError> {
        let collected = exporters::has_collector();
        let measures = collected || scraped;
        let exporters = measures
            .then(|| Exporters::start(collected, scraped))
            .transpose()?;
        EXPORTS_SPANS.store(collected, Ordering::Relaxed);
        EXPORTS_METRICS.store(measures, Ordering::Relaxed);
        let (writer, log) = log_writer();
        if measures {
            let lost = Arc::clone(&log.lost);
            metrics::start(move || lost.count());
        }
        Registry::default()
            .with(exporters.as_ref().and_then(Exporters::span_layer))
            .with(log::layer(format, filter, writer)?)
            .try_init()?;
        log_panics();
        Ok(Self {
            _exporters: exporters,
            _log: log,
        })
    }
}

fn log_panics() {
    panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string);
        tracing::error!(location, message = panic.payload_as_str(), "thread panicked");
    }));
}
