//! Requests and responses of the REST transport as text, with masks for what differs from run to run.

use std::fmt::Write as _;

use http::HeaderMap;
use reqwest::RequestBuilder;
use serde_json::Value;

use super::Answer;

/// Patterns that differ from run to run, and their masks.
const MASKS: [(&str, &str); 11] = [
    (r"Bearer ey[\w.-]+", "Bearer [token]"),
    (r"ocs_[a-z0-9]{8}_[\w-]{51}", "[secret]"),
    (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "[request id]"),
    (r"\b[0-9a-f]{32}\b", "[id]"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "[time]"),
    (r#""hint": "[a-z0-9]{8}""#, r#""hint": "[hint]""#),
    (r"client-secrets/[a-z0-9]{8}\b", "client-secrets/[hint]"),
    (r"127\.0\.0\.1:\d+", "[address]"),
    (r"\bAS[\w-]{40,}", "[cursor]"),
    (
        r#"(?m)^(etag|if-none-match): (.*)"[\w-]{16}"$"#,
        r#"$1: $2"[etag]""#,
    ),
    (r#""etag": "[\w-]{16}""#, r#""etag": "[etag]""#),
];

/// Sends a request, and returns it and its response as text.
pub(crate) async fn exchange(request: RequestBuilder) -> String {
    let sent = request.try_clone().unwrap().build().unwrap();
    let url = sent.url();
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut text = format!("{} {}{query}\n", sent.method(), url.path());
    write_headers(&mut text, sent.headers());
    if let Some(body) = sent.body().and_then(reqwest::Body::as_bytes) {
        write_body(&mut text, &String::from_utf8_lossy(body));
    }
    let answer = Answer::to(request).await;
    writeln!(text, "\n{}", http::StatusCode::from_u16(answer.status).unwrap()).unwrap();
    write_headers(&mut text, &answer.headers);
    write_body(&mut text, &answer.text);
    text
}

fn write_headers(text: &mut String, headers: &HeaderMap) {
    let mut lines: Vec<String> = headers
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "date" | "content-length"))
        .map(|(name, value)| format!("{name}: {}\n", value.to_str().unwrap()))
        .collect();
    lines.sort();
    text.extend(lines);
}

fn write_body(text: &mut String, body: &str) {
    match serde_json::from_str::<Value>(body) {
        Ok(json) => writeln!(text, "\n{json:#}").unwrap(),
        Err(_) if body.is_empty() => {}
        Err(_) if body.len() > 100 => writeln!(text, "\n[{} bytes]", body.len()).unwrap(),
        Err(_) => writeln!(text, "\n{body}").unwrap(),
    }
}

/// Compares exchanges with a file in `tests/it/snapshots`, the same for every database.
pub(crate) fn assert_golden(name: &str, exchanges: &[String]) {
    insta::with_settings!({
        filters => MASKS,
        snapshot_path => "../snapshots",
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, {
        insta::assert_snapshot!(name, exchanges.join("\n----\n\n"));
    });
}
