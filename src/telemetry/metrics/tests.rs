use std::{collections::BTreeMap, sync::atomic::Ordering};

use ::prometheus::Registry;
use opentelemetry_sdk::metrics::SdkMeterProvider;

use super::*;
use crate::telemetry::{EXPORTS_METRICS, prometheus};

/// The type and the labels of each metric of Prometheus, by its name.
type Metrics = BTreeMap<String, (String, Vec<String>)>;

const OPERATING: &str = include_str!("../../../docs/operating.md");

#[test]
fn a_code_has_its_grpc_name() {
    assert_eq!(code_name(Code::Ok), "OK");
    assert_eq!(code_name(Code::DeadlineExceeded), "DEADLINE_EXCEEDED");
}

#[test]
fn the_table_of_metrics_has_those_that_are_exported_and_no_others() {
    let registry = Registry::new();
    let reader = prometheus::exporter(&registry).unwrap();
    global::set_meter_provider(SdkMeterProvider::builder().with_reader(reader).build());
    EXPORTS_METRICS.store(true, Ordering::Relaxed);
    record_everything();
    let text = prometheus::text_of(&registry).unwrap();
    assert_eq!(exported(&text), documented(), "{text}");
}

#[test]
fn alerts_are_about_metrics_of_the_table() {
    let (_, alerts) = OPERATING.split_once("### Alerts").unwrap();
    let (alerts, _) = alerts.split_once("\n```\n").unwrap();
    let words = alerts.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let is_metric = |word: &&str| {
        ["rpc_server_", "oauth_clients_", "db_client_connection_pending"]
            .iter()
            .any(|prefix| word.starts_with(prefix))
    };
    let metrics: Vec<&str> = words.filter(is_metric).collect();
    assert!(metrics.len() >= 10, "{metrics:?}");
    for metric in metrics {
        let documented = documented();
        let of_histogram = ["_bucket", "_count", "_sum"]
            .into_iter()
            .filter_map(|part| metric.strip_suffix(part));
        let mut names = of_histogram.chain([metric]);
        assert!(names.any(|name| documented.contains_key(name)), "{metric}");
    }
}

fn record_everything() {
    start(|| 1);
    observe_memory(|| Memory {
        check_age: Some(Duration::ZERO),
        ..Memory::default()
    });
    observe_pools(|| {
        vec![PoolUse {
            pool: "all",
            used: 1,
            idle: 2,
            max: 3,
            waiting: 4,
        }]
    });
    request_completed(None, Code::Ok, Duration::ZERO);
    shed(Work::Read);
    queued(Work::List, &Stopwatch::start());
    connection_acquired("all", &Stopwatch::start());
    database_failed(DatabaseError::TimedOut);
    limit_decided(RateTier::One, true, DecidedBy::Process);
    client_authenticated(AuthMethod::ClientSecret, None);
}

/// Reads the table of the metrics.
fn documented() -> Metrics {
    let (_, table) = OPERATING.split_once("| OTLP | Prometheus |").unwrap();
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [_, otlp, name, kind, unit, labels, ..] = cells[..] else {
            panic!("not a row: {row}");
        };
        let (otlp, name) = (otlp.trim_matches('`'), name.trim_matches('`'));
        assert!(name.starts_with(&otlp.replace('.', "_")), "{row}");
        let suffix = match (kind, unit) {
            ("counter", _) => "_total",
            (_, "s") => "_seconds",
            (_, "By") => "_bytes",
            _ => "",
        };
        assert!(name.ends_with(suffix), "{row}");
        let labels = labels
            .split_whitespace()
            .map(|label| label.trim_matches('`').to_owned());
        (name.to_owned(), (kind.to_owned(), labels.collect()))
    })
    .collect()
}

/// Reads the text of the metrics.
fn exported(text: &str) -> Metrics {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types
        .map(|line| {
            let (name, kind) = line.split_once(' ').unwrap();
            let mut labels: Vec<String> = Vec::new();
            for series in text.lines().filter(|line| !line.starts_with('#')) {
                let (series, pairs) = series.split_once('{').unwrap_or((series, ""));
                let series = series.split(' ').next().unwrap();
                let of_histogram = ["_bucket", "_sum", "_count"].map(|part| format!("{name}{part}"));
                if series == name || kind == "histogram" && of_histogram.iter().any(|part| part == series) {
                    let names = pairs.split("\",").filter_map(|pair| pair.split_once('='));
                    labels.extend(
                        names
                            .map(|(label, _)| label.to_owned())
                            .filter(|label| label != "le"),
                    );
                }
            }
            labels.sort();
            labels.dedup();
            (name.to_owned(), (kind.to_owned(), labels))
        })
        .collect()
}
