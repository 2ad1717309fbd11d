//! Log lines as JSON objects, each written in one pass. The formatter of `tracing-subscriber` builds a map of the fields
//! first, and reads the fields of the span back from their JSON, which takes longer than the rest of a request.

use std::fmt::{self, Write as _};

use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_log::NormalizeEvent as _;
use tracing_subscriber::{
    Layer,
    field::RecordFields,
    fmt::{
        FmtContext, FormatEvent, FormatFields, FormattedFields, MakeWriter,
        format::Writer,
        time::{FormatTime as _, SystemTime},
    },
    registry::LookupSpan,
};

/// Returns the layer that writes log lines as JSON.
pub fn json_lines<S, W>(writer: W) -> impl Layer<S>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    tracing_subscriber::fmt::layer()
        .fmt_fields(Members)
        .event_format(JsonLine)
        .with_writer(writer)
}

/// Writes an event as `{"timestamp":…,"level":…,` its fields, `"target":…,"span":{…}}`.
#[derive(Debug, Clone, Copy)]
struct JsonLine;

/// Writes the fields of a span as members, without braces.
#[derive(Debug, Clone, Copy)]
struct Members;

impl<S> FormatEvent<S, Members> for JsonLine
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, Members>,
        mut line: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        // The metadata of a record of the crate `log` is in its fields.
        let normalized = event.normalized_metadata();
        let metadata = normalized.as_ref().unwrap_or_else(|| event.metadata());
        line.write_str("{\"timestamp\":\"")?;
        SystemTime.format_time(&mut line)?;
        line.write_str("\",\"level\":\"")?;
        line.write_str(metadata.level().as_str())?;
        line.write_char('"')?;
        let mut members = MemberWriter::after_others(line.by_ref());
        event.record(&mut members);
        members.outcome?;
        line.write_str(",\"target\":")?;
        write_string(&mut line, metadata.target())?;
        if let Some(span) = context.lookup_current() {
            line.write_str(",\"span\":{")?;
            if let Some(fields) = span.extensions().get::<FormattedFields<Members>>()
                && !fields.is_empty()
            {
                line.write_str(fields)?;
                line.write_char(',')?;
            }
            line.write_str("\"name\":")?;
            write_string(&mut line, span.name())?;
            line.write_char('}')?;
        }
        line.write_str("}\n")
    }
}

impl<'writer> FormatFields<'writer> for Members {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut members = MemberWriter::first(writer);
        fields.record(&mut members);
        members.outcome
    }

    fn add_fields(
        &self,
        current: &'writer mut FormattedFields<Self>,
        fields: &tracing::span::Record<'_>,
    ) -> fmt::Result {
        let mut members = if current.is_empty() {
            MemberWriter::first(current.as_writer())
        } else {
            MemberWriter::after_others(current.as_writer())
        };
        fields.record(&mut members);
        members.outcome
    }
}

/// Writes fields as the members of a JSON object.
struct MemberWriter<'writer> {
    writer: Writer<'writer>,
    is_first: bool,
    outcome: fmt::Result,
}

impl<'writer> MemberWriter<'writer> {
    fn first(writer: Writer<'writer>) -> Self {
        Self {
            writer,
            is_first: true,
            outcome: Ok(()),
        }
    }

    fn after_others(writer: Writer<'writer>) -> Self {
        Self {
            is_first: false,
            ..Self::first(writer)
        }
    }

    fn member(&mut self, field: &Field, value: impl FnOnce(&mut Writer<'writer>) -> fmt::Result) {
        let name = field.name();
        // Fields of the crate `log` that are the metadata of its records.
        if self.outcome.is_err() || name.starts_with("log.") {
            return;
        }
        self.outcome = (|| {
            if !self.is_first {
                self.writer.write_char(',')?;
            }
            self.is_first = false;
            write_string(&mut self.writer, name.strip_prefix("r#").unwrap_or(name))?;
            self.writer.write_char(':')?;
            value(&mut self.writer)
        })();
    }
}

impl Visit for MemberWriter<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.member(field, |writer| {
            if value.is_finite() {
                write!(writer, "{value}")
            } else {
                writer.write_str("null")
            }
        });
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.member(field, |writer| write!(writer, "{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.member(field, |writer| write!(writer, "{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.member(field, |writer| {
            writer.write_str(if value { "true" } else { "false" })
        });
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.member(field, |writer| write_string(writer, value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.member(field, |writer| {
            writer.write_char('"')?;
            write!(Escaped(writer), "{value:?}")?;
            writer.write_char('"')
        });
    }
}

fn write_string(writer: &mut Writer<'_>, text: &str) -> fmt::Result {
    writer.write_char('"')?;
    Escaped(writer).write_str(text)?;
    writer.write_char('"')
}

/// Escapes text for a JSON string (RFC 8259 section 7).
struct Escaped<'a, 'writer>(&'a mut Writer<'writer>);

impl fmt::Write for Escaped<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        // These are ASCII, so they are never a part of another character.
        let special = |byte: u8| matches!(byte, 0..=0x1f | b'"' | b'\\');
        while let Some(at) = rest.bytes().position(special) {
            let (plain, from) = rest.split_at_checked(at).ok_or(fmt::Error)?;
            let (escaped, after) = from.split_at_checked(1).ok_or(fmt::Error)?;
            self.0.write_str(plain)?;
            match escaped {
                "\"" => self.0.write_str("\\\"")?,
                "\\" => self.0.write_str("\\\\")?,
                "\n" => self.0.write_str("\\n")?,
                _ => {
                    for control in escaped.bytes() {
                        write!(self.0, "\\u{control:04x}")?;
                    }
                }
            }
            rest = after;
        }
        self.0.write_str(rest)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Seek as _},
        sync::Arc,
    };

    use serde_json::{Value, json};
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    /// Returns the lines that are logged, without their timestamps.
    fn lines(log: impl FnOnce()) -> Vec<Value> {
        let mut file = tempfile::tempfile().unwrap();
        let writer = Arc::new(file.try_clone().unwrap());
        let subscriber = tracing_subscriber::registry().with(json_lines(writer));
        tracing::subscriber::with_default(subscriber, log);
        let mut text = String::new();
        file.rewind().unwrap();
        file.read_to_string(&mut text).unwrap();
        let line = |line| {
            let mut line: Value = serde_json::from_str(line).unwrap();
            let timestamp = line.as_object_mut().unwrap().remove("timestamp").unwrap();
            humantime::parse_rfc3339(timestamp.as_str().unwrap()).unwrap();
            line
        };
        text.lines().map(line).collect()
    }

    #[test]
    fn a_line_is_an_object_with_the_fields_of_the_event() {
        let lines = lines(|| {
            let none: Option<&str> = None;
            tracing::warn!(
                target: "t", a = 1, b = -2_i64, c = true, d = 0.25, e = f64::NAN, f = "é", g = ?["x"], none, r#type = %"y",
                "it happened"
            );
        });
        let line = json!({
            "level": "WARN", "target": "t", "message": "it happened", "a": 1, "b": -2, "c": true, "d": 0.25, "e": null,
            "f": "é", "g": "[\"x\"]", "type": "y"
        });
        assert_eq!(lines, [line]);
    }

    #[test]
    fn every_text_is_escaped() {
        let every: String = (0_u8..=127)
            .map(char::from)
            .chain("é\u{2028}😀".chars())
            .collect();
        let lines = lines(|| {
            tracing::info!(target: "t", text = every, "quoted \" \n {}", every);
            tracing::info!(target: "t", shown = %every);
        });
        assert_eq!(lines[0]["text"], every.as_str());
        assert_eq!(lines[0]["message"], format!("quoted \" \n {every}"));
        assert_eq!(lines[1]["shown"], every.as_str());
    }

    #[test]
    fn a_line_has_the_innermost_span_with_its_fields() {
        let lines = lines(|| {
            let outer = tracing::info_span!("outer", a = 1).entered();
            let inner = tracing::info_span!("inner", b = tracing::field::Empty, c = tracing::field::Empty);
            let inner = inner.entered();
            tracing::info!(target: "t", "empty");
            inner.record("b", "\"");
            inner.record("c", 3);
            tracing::info!(target: "t", "full");
            drop(inner);
            tracing::info!(target: "t", "outside");
            drop(outer);
        });
        let spans: Vec<&Value> = lines.iter().map(|line| &line["span"]).collect();
        assert_eq!(
            spans,
            [
                &json!({"name": "inner"}),
                &json!({"name": "inner", "b": "\"", "c": 3}),
                &json!({"name": "outer", "a": 1})
            ]
        );
    }

    #[test]
    fn a_record_of_the_crate_log_has_its_own_target_and_level() {
        let lines = lines(|| {
            let record = tracing_log::log::Record::builder()
                .level(tracing_log::log::Level::Warn)
                .target("sqlx")
                .args(format_args!("slow"))
                .build();
            tracing_log::format_trace(&record).unwrap();
        });
        assert_eq!(
            lines,
            [json!({"level": "WARN", "target": "sqlx", "message": "slow"})]
        );
    }
}
