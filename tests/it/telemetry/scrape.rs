//! Metrics as text, as Prometheus scrapes them from the real binary.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    time::Duration,
};

use oauth_clients::pb::v1::{
    AuthenticateClientRequest, DisableOAuthClientRequest, authenticate_client_request::Credential,
    client_authentication_service_client::ClientAuthenticationServiceClient,
    o_auth_client_service_client::OAuthClientServiceClient,
};
use sea_orm::{ConnectionTrait as _, Database};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tonic::{Code, metadata::AsciiMetadataValue};

use crate::support::{
    Answer, Db,
    collector::Collector,
    eventually,
    http::COLLECTION,
    process::{Served, run, serve_dev},
    raw,
    samples::spa,
    scrape::Scrape,
};

const OPERATING: &str = include_str!("../../../docs/operating.md");
const METRICS: [&str; 2] = ["--metrics-addr", "127.0.0.1:0"];

/// A row of the table of metrics.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    kind: &'static str,
    unit: &'static str,
    labels: BTreeSet<String>,
}

/// Returns the rows of the table of metrics, by their names over OTLP and in the text.
fn documented() -> BTreeMap<(&'static str, &'static str), Row> {
    let (_, table) = OPERATING.split_once("| OTLP | Prometheus |").unwrap();
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        let [_, otlp, text, kind, unit, labels, ..] = cells[..] else {
            panic!("not a row: {row}");
        };
        let labels = labels.split("` `").filter(|label| !label.is_empty());
        let labels = labels.map(str::to_owned).collect();
        ((otlp, text), Row { kind, unit, labels })
    })
    .collect()
}

/// A server with metrics as text, and a caller.
struct Scraped {
    served: Served,
    http: reqwest::Client,
    dir: tempfile::TempDir,
}

impl Scraped {
    async fn start(args: &[&str], env: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let served = Served::start_with_env(dir.path(), &[&METRICS, args].concat(), env).await;
        Self {
            served,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            dir,
        }
    }

    fn url(&self) -> String {
        self.served.said("Metrics on ")
    }

    fn addr(&self) -> SocketAddr {
        let url = self.url();
        let addr = url.strip_prefix("http://").unwrap().strip_suffix("/metrics");
        addr.unwrap().parse().unwrap()
    }

    fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        let url = format!("{}{path}", self.served.rest);
        self.http.request(method, url).bearer_auth(&self.served.token)
    }

    /// Creates a client, and returns its path.
    async fn create(&self) -> String {
        let created = Answer::to(self.request(reqwest::Method::POST, COLLECTION).json(&spa())).await;
        format!("{COLLECTION}/{}", created.json()["clientId"].as_str().unwrap())
    }

    fn bearer(&self) -> AsciiMetadataValue {
        format!("Bearer {}", self.served.token).parse().unwrap()
    }

    async fn get(&self, path: &str) -> u16 {
        Answer::to(self.request(reqwest::Method::GET, path)).await.status
    }

    /// Presents the credentials of a client that does not exist.
    async fn authenticate_nobody(&self) {
        let channel = self.served.transports().channel;
        let mut request = tonic::Request::new(AuthenticateClientRequest {
            client_id: "nobody".to_owned(),
            credential: Some(Credential::ClientSecret("wrong".to_owned())),
        });
        request.metadata_mut().insert("authorization", self.bearer());
        let response = ClientAuthenticationServiceClient::new(channel)
            .authenticate_client(request)
            .await;
        response.unwrap();
    }
}

/// Metrics that this test does not record: there is no look for changes on SQLite.
fn absent(db: &Db) -> BTreeSet<&'static str> {
    let checks = "oauth_clients.memory.check_age";
    db.is_sqlite().then_some(checks).into_iter().collect()
}

async fn the_metrics_of_the_table_are_in_the_text_and_at_the_collector(db: Db) {
    let collector = Collector::start().await;
    let env = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint.as_str()),
        ("OTEL_METRIC_EXPORT_INTERVAL", "100"),
    ];
    let args = ["--database-url", db.text(), "--migrate"];
    let mut scraped = Scraped::start(&args, &env).await;
    let path = scraped.create().await;
    assert_eq!(scraped.get(&path).await, 200);
    scraped.authenticate_nobody().await;
    let table = documented();
    let (absent, is_sqlite) = (absent(&db), db.is_sqlite());
    let in_table = |(otlp, _): &&(&str, &str)| !absent.contains(otlp);
    let scrape = eventually("the first look", async || {
        let scrape = Scrape::of(&scraped.served).await;
        let is_checked = scrape
            .kinds
            .contains_key("oauth_clients_memory_check_age_seconds");
        (is_sqlite || is_checked).then_some(scrape)
    })
    .await;
    let exported: BTreeSet<&str> = scrape.kinds.keys().map(String::as_str).collect();
    let expected = table.keys().filter(in_table).map(|(_, text)| *text);
    assert_eq!(exported, expected.collect());
    // The last ones are sent before the process ends.
    scraped.served.terminate().await;
    assert_eq!(scraped.served.exit_code().await, Some(0));
    let collected = collector.metrics();
    let expected = table.keys().filter(in_table).map(|(otlp, _)| *otlp);
    assert_eq!(
        collected.keys().map(String::as_str).collect::<BTreeSet<_>>(),
        expected.collect()
    );
    for ((otlp, text), row) in table.iter().filter(|(names, _)| in_table(names)) {
        assert_eq!(scrape.kinds[*text], row.kind, "{text}");
        assert_eq!(scrape.labels(text), row.labels, "{text}");
        let metric = &collected[*otlp];
        assert_eq!(
            (metric.kind, metric.unit.as_str()),
            (row.kind, row.unit),
            "{otlp}"
        );
        let labels = metric.labels.iter().map(|label| label.replace('.', "_"));
        assert_eq!(labels.collect::<BTreeSet<_>>(), row.labels, "{otlp}");
    }
}

on_each_database!(the_metrics_of_the_table_are_in_the_text_and_at_the_collector);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_listener_has_one_path_and_one_method() {
    let scraped = Scraped::start(&[], &[]).await;
    let addr = scraped.addr();
    for (request, status) in [
        ("GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n", 200),
        ("GET /metrics?name=a HTTP/1.1\r\nhost: a\r\n\r\n", 200),
        ("GET /metrics HTTP/1.0\r\n\r\n", 200),
        ("GET / HTTP/1.1\r\nhost: a\r\n\r\n", 404),
        ("POST /metrics/ HTTP/1.1\r\nhost: a\r\n\r\n", 404),
        ("HEAD /metrics HTTP/1.1\r\nhost: a\r\n\r\n", 405),
        (
            "POST /metrics HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\na",
            405,
        ),
        ("GET /metrics HTTP/1.1\r\n\r\n", 400),
    ] {
        let (answered, answer) = raw::send(addr, request.as_bytes()).await;
        let answer = answer.to_lowercase();
        assert_eq!(answered, status, "{request} {answer}");
        assert_eq!(answer.contains("\r\nallow: get\r\n"), status == 405, "{answer}");
        let format = "\r\ncontent-type: text/plain; version=0.0.4; charset=utf-8\r\n";
        assert_eq!(answer.contains(format), status == 200, "{answer}");
    }
    let large = format!(
        "GET /metrics HTTP/1.1\r\nhost: a\r\na: {}\r\n\r\n",
        "a".repeat(20_000)
    );
    assert_eq!(raw::send_part(addr, large.as_bytes()).await.0, 431);
    // HTTP/2 begins with its preface.
    let mut http2 = TcpStream::connect(addr).await.unwrap();
    http2
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    http2.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, b"", "the connection ends");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_send_nothing_hold_the_listener_up_for_seconds_only() {
    let scraped = Scraped::start(&[], &[]).await;
    let mut idle = Vec::new();
    for _ in 0..20 {
        idle.push(TcpStream::connect(scraped.addr()).await.unwrap());
    }
    let scrape = tokio::time::timeout(Duration::from_mins(1), Scrape::of(&scraped.served));
    assert!(scrape.await.is_ok(), "a scrape waits for its turn");
    drop(idle);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_are_served_while_the_server_drains_and_no_longer() {
    let mut scraped = Scraped::start(&["--drain-delay", "2s"], &[]).await;
    let addr = scraped.addr();
    scraped.served.terminate().await;
    eventually("the drain", async || {
        scraped.served.log().contains("draining").then_some(())
    })
    .await;
    Scrape::of(&scraped.served).await;
    assert_eq!(scraped.served.exit_code().await, Some(0));
    TcpStream::connect(addr).await.unwrap_err();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_free_port_is_logged_and_a_port_in_use_is_an_error() {
    let scraped = Scraped::start(&[], &[]).await;
    let addr = scraped.addr().to_string();
    let log = scraped.served.log();
    assert!(log.contains(&format!("\"metrics\":\"{addr}\"")), "{log}");
    let dir = tempfile::tempdir().unwrap();
    let ended = run(&[&serve_dev(dir.path())[..], &["--metrics-addr", &addr]].concat()).await;
    assert_eq!(ended.code, Some(1));
    let message = format!("cannot listen on {addr}: ");
    assert!(ended.stderr.contains(&message), "{}", ended.stderr);
    // The listeners of one server.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let port = port.to_string();
    let args = ["--rest-addr", &port, "--metrics-addr", &port];
    let dev = [
        "serve",
        "--dev",
        "--grpc-addr",
        "127.0.0.1:0",
        "--data-dir",
        dir.path().to_str().unwrap(),
    ];
    let ended = run(&[&dev[..], &args].concat()).await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("cannot listen on"), "{}", ended.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_metric_names_a_tenant_a_subject_or_a_client() {
    let scraped = Scraped::start(&["--tier1-per-minute", "2"], &[]).await;
    let path = scraped.create().await;
    for _ in 0..3 {
        scraped.get(&path).await;
    }
    scraped.authenticate_nobody().await;
    scraped.get("/made/up").await;
    let text = Answer::to(scraped.http.get(scraped.url())).await.text;
    let id = path.rsplit('/').next().unwrap();
    for secret in [id, "developer", "nobody", "\"dev\"", "made"] {
        assert!(!text.contains(secret), "{secret} {text}");
    }
}

/// A change that waits for a lock of another process is in flight, and is then cancelled, or fails.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_wait_are_in_flight_and_are_counted_when_they_end() {
    let scraped = Scraped::start(&[], &[]).await;
    let path = scraped.create().await;
    let file = scraped.dir.path().join("oauth-clients.db");
    let other = Database::connect(format!("sqlite:{}", file.display()))
        .await
        .unwrap();
    other.execute_unprepared("BEGIN IMMEDIATE").await.unwrap();
    let disable = || {
        let client_id = path.rsplit('/').next().unwrap().to_owned();
        let mut request = tonic::Request::new(DisableOAuthClientRequest {
            etag: None,
            request_id: None,
            client_id,
            reason: "misused".to_owned(),
        });
        request.metadata_mut().insert("authorization", scraped.bearer());
        let mut client = OAuthClientServiceClient::new(scraped.served.transports().channel);
        tokio::spawn(async move { client.disable_o_auth_client(request).await })
    };
    let in_flight = async |count: f64| {
        eventually(&format!("{count} in flight"), async || {
            let scrape = Scrape::of(&scraped.served).await;
            (scrape.sum("oauth_clients_requests_in_flight", &[]) == Some(count)).then_some(())
        })
        .await;
    };
    let cancelled = disable();
    in_flight(1.0).await;
    cancelled.abort();
    in_flight(0.0).await;
    let failed = disable().await.unwrap().unwrap_err();
    assert_eq!(failed.code(), Code::Unavailable);
    let scrape = Scrape::of(&scraped.served).await;
    for (code, count) in [("CANCELLED", 1.0), ("UNAVAILABLE", 1.0)] {
        let labels = ["DisableOAuthClient\"", &format!("status_code=\"{code}\"")];
        let counted = scrape.sum("rpc_server_call_duration_seconds_count", &labels);
        assert_eq!(counted, Some(count), "{code} {scrape:?}");
    }
    let errors = |kind: &str| {
        let label = format!("kind=\"{kind}\"");
        scrape.sum("oauth_clients_database_errors_total", &[label.as_str()])
    };
    assert_eq!(errors("conflict"), Some(0.0));
    let waited = [errors("unavailable"), errors("no_connection")];
    assert!(waited.iter().any(|count| *count > Some(0.0)), "{scrape:?}");
    for (name, pool) in [("max", 1.0), ("pending_requests", 0.0)] {
        let name = format!("db_client_connection_{name}");
        assert_eq!(
            scrape.sum(&name, &["pool_name=\"writers\""]),
            Some(pool),
            "{name}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_flag_there_are_no_metrics() {
    let dir = tempfile::tempdir().unwrap();
    let served = Served::start(dir.path(), &[]).await;
    assert!(!served.greeting.contains("Metrics"));
    let mut rest = TcpStream::connect(served.rest.trim_start_matches("http://"))
        .await
        .unwrap();
    let scrape = "GET /metrics HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    rest.write_all(scrape.as_bytes()).await.unwrap();
    let mut answer = String::new();
    rest.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
}
