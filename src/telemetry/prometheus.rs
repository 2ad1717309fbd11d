//! The export of metrics as text that Prometheus scrapes.

use std::sync::OnceLock;

use opentelemetry_prometheus::PrometheusExporter;
use opentelemetry_sdk::error::OTelSdkError;
use prometheus::{Registry, TextEncoder};

/// The media type of the text.
pub(crate) const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The metrics of the process.
static REGISTRY: OnceLock<Registry> = OnceLock::new();

/// Returns the reader of the metrics, from which their text is made.
pub(super) fn reader() -> Result<PrometheusExporter, OTelSdkError> {
    exporter(REGISTRY.get_or_init(Registry::new))
}

pub(super) fn exporter(registry: &Registry) -> Result<PrometheusExporter, OTelSdkError> {
    opentelemetry_prometheus::exporter()
        .with_registry(registry.clone())
        // The scope would be a label of each series, and always the same.
        .scope_info_enabled(false)
        .without_target_info()
        .build()
}

/// Returns the metrics of the process as text. It is empty if they have no reader.
pub(crate) fn text() -> Result<String, prometheus::Error> {
    REGISTRY.get().map_or_else(|| Ok(String::new()), text_of)
}

pub(super) fn text_of(registry: &Registry) -> Result<String, prometheus::Error> {
    TextEncoder::new().encode_to_string(&registry.gather())
}
