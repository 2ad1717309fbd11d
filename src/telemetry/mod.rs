//! Logs, traces and metrics. Logs go to standard error; spans and metrics go to an OTLP collector if
//! `OTEL_EXPORTER_OTLP_ENDPOINT` is set.

mod json;
mod log;
mod log_writer;
pub(crate) mod metrics;
mod otlp;

use std::{
    panic,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use opentelemetry_otlp::ExporterBuildError;
use thiserror::Error;
use tracing_subscriber::{
    Registry, filter::ParseError, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

pub use self::json::json_lines;
pub(crate) use self::log::LogFormat;
use self::{
    log_writer::{LogGuard, log_writer},
    otlp::Exporters,
};

/// Is `true` if spans and metrics are exported.
static EXPORTS: AtomicBool = AtomicBool::new(false);

/// Returns `true` if spans and metrics are exported. Otherwise nothing need be made for them.
pub(crate) fn exports() -> bool {
    EXPORTS.load(Ordering::Relaxed)
}

/// Telemetry cannot be set up.
#[derive(Debug, Error)]
pub(crate) enum TelemetryError {
    #[error("the log filter is malformed")]
    Filter(#[from] ParseError),
    #[error("the OTLP exporter cannot be set up")]
    Exporter(#[from] ExporterBuildError),
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
    /// Sets up logs, traces and metrics for the whole process. It must be called inside the runtime.
    pub(crate) fn install(format: LogFormat, filter: &str) -> Result<Self, TelemetryError> {
        let exporters = otlp::is_enabled().then(Exporters::start).transpose()?;
        EXPORTS.store(exporters.is_some(), Ordering::Relaxed);
        let (writer, log) = log_writer();
        let lost = Arc::clone(&log.lost);
        metrics::observe_lost_log_lines(move || lost.count());
        Registry::default()
            .with(exporters.as_ref().map(Exporters::span_layer))
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
