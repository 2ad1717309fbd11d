//! The one line that is logged for each request when it is completed, which for a stream is its end.
//!
//! Layers and handlers record here what they learn about a request, and one event has all of it. They do not record fields
//! of the span: the JSON formatter parses and writes all fields of a span again whenever one is recorded and whenever an
//! event is logged within it, which costs several times as much as the line itself.

use std::{
    borrow::Cow,
    error::Error as _,
    sync::{Arc, OnceLock},
    time::Instant,
};

use http::{HeaderValue, Request, Response, uri::PathAndQuery};
use opentelemetry::trace::{Status as SpanStatus, TraceContextExt as _};
use tokio::task::futures::TaskLocalFuture;
use tonic::{Code, Status, body::Body};
use tonic_types::StatusExt as _;
use tracing::{Level, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::request_id::{HeldBackId, X_REQUEST_ID};
use crate::{
    auth::Caller,
    domain::ids::ClientId,
    error_chain::error_chain,
    pb::Target,
    rpc::failure::Cause,
    telemetry::{
        self,
        metrics::{self, InFlight},
    },
};

/// The longest path that is logged whole. No method's path is that long, but a path may have 64 KiB, and the memory of the
/// log's queue must not be the caller's choice.
const MAX_PATH_BYTES: usize = 300;

tokio::task_local! {
    static LEARNED: Arc<Learned>;
}

/// The facts about a request that layers and handlers have learned.
#[derive(Debug, Default)]
pub(super) struct Learned {
    method: OnceLock<Target<'static>>,
    caller: OnceLock<Caller>,
    client_id: OnceLock<ClientId>,
    request_id: OnceLock<HeaderValue>,
    outcome: OnceLock<Status>,
}

/// A future within which facts about its request are recorded.
pub(super) type Collect<F> = TaskLocalFuture<Arc<Learned>, F>;

/// Records which method the current request calls.
pub(super) fn record_method(target: Target<'static>) {
    // Outside of a request there is no line that could have it.
    let _not_logged = LEARNED.try_with(|learned| learned.method.set(target));
}

/// Records who sent the current request.
pub(super) fn record_caller(caller: &Caller) {
    let _not_logged = LEARNED.try_with(|learned| learned.caller.set(caller.clone()));
}

/// Records which client the current request is about. It takes only the id of a client that may exist: other text could be
/// a secret that was put into the wrong field.
pub(crate) fn record_client(id: &ClientId) {
    let _not_logged = LEARNED.try_with(|learned| learned.client_id.set(id.clone()));
}

/// Records the caller's own id of the current request, which was held back.
pub(crate) fn record_request_id(id: &HeaderValue) {
    Span::current().record("request_id", id.to_str().ok());
    let _not_logged = LEARNED.try_with(|learned| learned.request_id.set(id.clone()));
}

/// Records how the stream of the current request ended, with the cause if that is known. Whatever notices the end first has
/// the cause, so what is recorded later is disregarded.
pub(crate) fn record_outcome(status: &Status) {
    let _not_logged = LEARNED.try_with(|learned| learned.outcome.set(status.clone()));
}

/// Returns the client that the current request is about, if it is known.
pub(crate) fn client_id() -> Option<ClientId> {
    LEARNED
        .try_with(|learned| learned.client_id.get().cloned())
        .ok()
        .flatten()
}

/// A request that is in flight, and what is known about it.
#[derive(Debug)]
pub(super) struct RequestLog {
    started: Instant,
    path: Option<PathAndQuery>,
    request_id: Option<HeaderValue>,
    /// Is `true` if the caller's own id was held back, and may be the one of the request later.
    holds_back_id: bool,
    learned: Arc<Learned>,
    is_finished: bool,
    _in_flight: Option<InFlight>,
}

/// The fields of the line.
struct Line<'a> {
    method: &'a str,
    code: &'static str,
    reason: Option<String>,
    duration_ms: f64,
    request_id: Option<&'a str>,
    tenant: Option<&'a str>,
    subject: Option<&'a str>,
    client_id: Option<&'a str>,
    trace_id: Option<String>,
    cause: Option<String>,
}

/// Logs an event with all fields of a [`Line`]. The level and the message of an event are constants.
macro_rules! event {
    ($level:expr, $line:expr, $message:literal) => {{
        let Line {
            method,
            code,
            reason,
            duration_ms,
            request_id,
            tenant,
            subject,
            client_id,
            trace_id,
            cause,
        } = $line;
        tracing::event!(
            $level,
            method,
            code,
            reason,
            duration_ms,
            request_id,
            tenant,
            subject,
            client_id,
            trace_id,
            cause,
            $message
        );
    }};
}

impl RequestLog {
    #[expect(clippy::disallowed_methods, reason = "it measures the time of a request")]
    pub(super) fn new<B>(request: &Request<B>) -> Self {
        Self {
            started: Instant::now(),
            path: request.uri().path_and_query().cloned(),
            request_id: request.headers().get(X_REQUEST_ID).cloned(),
            holds_back_id: request.extensions().get::<HeldBackId>().is_some(),
            learned: Arc::default(),
            is_finished: false,
            _in_flight: InFlight::begin(),
        }
    }

    /// The path of the method, shortened if it is long.
    pub(super) fn method(&self) -> &str {
        let path = self.path.as_ref().map_or("", PathAndQuery::path);
        path.get(..path.floor_char_boundary(MAX_PATH_BYTES))
            .unwrap_or_default()
    }

    /// The id of the request, if it is final already.
    pub(super) fn final_request_id(&self) -> Option<&str> {
        self.request_id().filter(|_| !self.holds_back_id)
    }

    /// The caller's own id that was held back, if the handler has decided for it.
    pub(super) fn late_request_id(&self) -> Option<&HeaderValue> {
        self.learned.request_id.get()
    }

    fn request_id(&self) -> Option<&str> {
        let id = self.late_request_id().or(self.request_id.as_ref());
        id?.to_str().ok()
    }

    /// Collects what layers record before there is a future of the response.
    pub(super) fn enter<T>(&self, call: impl FnOnce() -> T) -> T {
        LEARNED.sync_scope(self.learned.clone(), call)
    }

    /// Collects what is recorded while the response is made.
    pub(super) fn collect<F: Future>(&self, response: F) -> Collect<F> {
        LEARNED.scope(self.learned.clone(), response)
    }

    /// Logs and measures a request that is completed by its response.
    pub(super) fn finish(&mut self, span: &Span, response: &Response<Body>) {
        let status = status(response);
        let learned = self.learned.clone();
        self.complete(span, learned.outcome.get().or(status.as_deref()));
    }

    /// Logs and measures a request whose stream has ended, or was dropped because its caller is gone.
    pub(super) fn finish_stream(&mut self, span: &Span) {
        let learned = self.learned.clone();
        let outcome = learned.outcome.get_or_init(|| Status::cancelled(""));
        self.complete(span, Some(outcome));
    }

    /// Must be called outside of the span, whose fields the line repeats.
    fn complete(&mut self, span: &Span, status: Option<&Status>) {
        self.is_finished = true;
        let duration = self.started.elapsed();
        let code = status.map_or(Code::Ok, Status::code);
        let cause = status.and_then(cause);
        let info = status.and_then(Status::get_details_error_info);
        let caller = self.learned.caller.get();
        let line = Line {
            method: self.method(),
            code: metrics::code_name(code),
            reason: info.map(|info| info.reason),
            duration_ms: duration.as_secs_f64() * 1_000.0,
            request_id: self.request_id(),
            tenant: caller.map(|caller| caller.tenant().as_str()),
            subject: caller.map(|caller| caller.subject().as_str()),
            client_id: self.learned.client_id.get().map(ClientId::as_str),
            trace_id: trace_id(span),
            cause: cause.map(|cause| error_chain(cause)),
        };
        if line.trace_id.is_some() {
            line.describe(span, cause);
            if self.holds_back_id && self.late_request_id().is_none() {
                span.record("request_id", line.request_id);
            }
        }
        line.log(cause);
        metrics::request_completed(self.learned.method_name(), code, duration);
    }
}

impl Drop for RequestLog {
    /// Measures a request that was given up: its caller is gone, or has cancelled it.
    fn drop(&mut self) {
        if !self.is_finished {
            let duration = self.started.elapsed();
            metrics::request_completed(self.learned.method_name(), Code::Cancelled, duration);
        }
    }
}

impl Learned {
    fn method_name(&self) -> Option<&'static str> {
        self.method.get().map(|target| target.name())
    }
}

impl Line<'_> {
    fn log(self, cause: Option<&Cause>) {
        match cause {
            None => event!(Level::INFO, self, "request completed"),
            Some(Cause::Unavailable(_)) => event!(Level::WARN, self, "request failed: unavailable"),
            Some(Cause::CorruptRecord(_)) => event!(Level::ERROR, self, "request failed: corrupt record"),
            Some(Cause::Internal(_)) => event!(Level::ERROR, self, "request failed: internal error"),
        }
    }

    /// Adds the fields to the span that is exported.
    fn describe(&self, span: &Span, cause: Option<&Cause>) {
        let attributes = [
            ("method", Some(self.method)),
            ("code", Some(self.code)),
            ("reason", self.reason.as_deref()),
            ("tenant", self.tenant),
            ("subject", self.subject),
            ("client_id", self.client_id),
            ("cause", self.cause.as_deref()),
        ];
        for (name, value) in attributes {
            if let Some(value) = value {
                span.set_attribute(name, value.to_owned());
            }
        }
        if let Some(Cause::CorruptRecord(_) | Cause::Internal(_)) = cause {
            span.set_status(SpanStatus::error(""));
        }
    }
}

/// Returns the status of a response with an error.
fn status(response: &Response<Body>) -> Option<Cow<'_, Status>> {
    // Generated code writes its status to the headers only.
    let written = || Status::from_header_map(response.headers()).map(Cow::Owned);
    response.extensions().get().map(Cow::Borrowed).or_else(written)
}

fn cause(status: &Status) -> Option<&Cause> {
    status.source()?.downcast_ref()
}

/// Returns the id of the trace that the span is exported with.
fn trace_id(span: &Span) -> Option<String> {
    if !telemetry::exports_spans() {
        return None;
    }
    let context = span.context();
    let span = context.span();
    let exported = span.span_context();
    exported.is_valid().then(|| exported.trace_id().to_string())
}

#[cfg(test)]
mod tests {
    use std::io::{self, Seek as _};

    use serde_json::Value;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;
    use crate::{
        pb::v1::ErrorReason,
        rpc::failure::Failure,
        store::{Corrupt, StoreError},
        telemetry::json_lines,
    };

    /// Returns the line of a request, in JSON.
    async fn line(response: Response<Body>) -> Value {
        let mut file = tempfile::tempfile().unwrap();
        let writer = Arc::new(file.try_clone().unwrap());
        let subscriber = tracing_subscriber::registry().with(json_lines(writer));
        let _default = tracing::subscriber::set_default(subscriber);
        let request = Request::builder()
            .uri("/a.Service/Method")
            .header(X_REQUEST_ID, "mine-1");
        let mut log = RequestLog::new(&request.body(()).unwrap());
        let id = ClientId::parse(&"0".repeat(32)).unwrap();
        log.collect(async { record_client(&id) }).await;
        log.finish(&Span::none(), &response);
        file.rewind().unwrap();
        serde_json::from_reader(file).unwrap()
    }

    #[tokio::test]
    async fn the_level_and_the_message_follow_from_the_cause() {
        let corrupt = Corrupt {
            table: "oauth_clients",
            column: "sort",
            client_id: "a".to_owned(),
        };
        let cases: [(Failure, _, _, Option<&str>); 4] = [
            (
                Failure::new(ErrorReason::ScopeMissing, ""),
                "INFO",
                "request completed",
                None,
            ),
            (
                StoreError::TimedOut.into(),
                "WARN",
                "request failed: unavailable",
                Some("the database did not answer in time"),
            ),
            (
                StoreError::Corrupt(corrupt).into(),
                "ERROR",
                "request failed: corrupt record",
                Some(
                    "a record is corrupt: oauth_clients.sort of the client a has a value that is never written",
                ),
            ),
            (
                Failure::internal(io::Error::other("a bug")),
                "ERROR",
                "request failed: internal error",
                Some("a bug"),
            ),
        ];
        for (failure, level, message, cause) in cases {
            let line = line(Status::from(failure).into_http()).await;
            assert_eq!(
                (&line["level"], &line["message"]),
                (&level.into(), &message.into())
            );
            assert_eq!(line["cause"].as_str(), cause, "{line}");
        }
    }

    #[tokio::test]
    async fn the_line_has_what_is_known_and_no_more() {
        let line = line(Response::new(Body::empty())).await;
        let mut fields: Vec<&str> = line.as_object().unwrap().keys().map(String::as_str).collect();
        fields.retain(|field| !["level", "message", "target", "timestamp"].contains(field));
        fields.sort_unstable();
        let known = ["client_id", "code", "duration_ms", "method", "request_id"];
        assert_eq!(fields, known, "{line}");
        assert_eq!(line["method"], "/a.Service/Method");
        assert_eq!(
            (&line["code"], &line["request_id"]),
            (&"OK".into(), &"mine-1".into())
        );
    }
}
