//! The lines of the log.

use std::io::{self, IsTerminal as _};

use clap::ValueEnum;
use tracing::Subscriber;
use tracing_appender::non_blocking::NonBlocking;
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{FilterExt as _, LevelFilter, ParseError, Targets},
    registry::LookupSpan,
};

use super::json_lines;

/// The format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    Auto,
    /// Text for people.
    Text,
    /// One JSON object per line.
    Json,
}

/// Returns the layer that writes log lines.
pub(super) fn layer<S>(
    format: LogFormat,
    filter: &str,
    writer: NonBlocking,
) -> Result<impl Layer<S> + use<S>, ParseError>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let filter = EnvFilter::try_new(filter)?.and(most_verbose());
    Ok(lines(format, writer).with_filter(filter))
}

/// Returns the most verbose levels, whatever the filter asks for. At `TRACE`, libraries log what they work with, such as
/// SeaORM the URL of the database with its password.
fn most_verbose() -> Targets {
    Targets::new()
        .with_default(LevelFilter::DEBUG)
        .with_target("oauth_clients", LevelFilter::TRACE)
}

fn lines<S>(format: LogFormat, writer: NonBlocking) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let terminal = io::stderr().is_terminal();
    if format == LogFormat::Json || format == LogFormat::Auto && !terminal {
        return json_lines(writer).boxed();
    }
    tracing_subscriber::fmt::layer()
        .with_writer(writer)
        .with_ansi(terminal)
        .with_target(false)
        .boxed()
}
