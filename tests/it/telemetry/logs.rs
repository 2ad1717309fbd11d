//! The log, as the real binary writes it: nothing waits for its reader.

use std::{
    fs::{self, File},
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    process::ChildStderr,
};

use crate::support::{
    Answer,
    collector::Collector,
    eventually,
    http::COLLECTION,
    process::{Served, command, exit_code, full_pipe, terminate},
};

/// More requests than there is room for lines in the queue of the log and in the pipe behind it.
const TOO_MANY: usize = 9_000;

/// The longest time of an operation that must not wait, on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(2);

/// The binary, exporting its metrics ten times a second, with its log in a pipe.
struct Piped {
    collector: Collector,
    served: Served,
    http: reqwest::Client,
    _dir: tempfile::TempDir,
}

impl Piped {
    async fn start() -> (Self, ChildStderr) {
        let collector = Collector::start().await;
        let endpoint = collector.endpoint.clone();
        Self::start_with(collector, &endpoint).await
    }

    async fn start_with(collector: Collector, endpoint: &str) -> (Self, ChildStderr) {
        let dir = tempfile::tempdir().unwrap();
        let otlp = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),
            ("OTEL_METRIC_EXPORT_INTERVAL", "100"),
        ];
        let (served, log) = Served::start_with_pipe(dir.path(), &[], &otlp).await;
        let piped = Self {
            collector,
            served,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            _dir: dir,
        };
        (piped, log)
    }

    /// Sends as many requests without a token, each of which makes a line of the log.
    async fn log_lines(&self, count: usize) {
        const CONNECTIONS: usize = 4;
        let addr = self.served.rest.trim_start_matches("http://");
        let requests = (0..CONNECTIONS).map(|_| refused(addr, count / CONNECTIONS));
        let answered = tokio::time::timeout(Duration::from_secs(20), join_all(requests)).await;
        let answered: usize = answered.expect("all are answered").into_iter().sum();
        assert_eq!(answered, count);
    }

    async fn answers_at_once(&self) {
        let get = |path| {
            self.http
                .get(format!("{}{path}", self.served.rest))
                .timeout(AT_ONCE)
        };
        assert_eq!(Answer::to(get("/healthz")).await.status, 200);
        let list = get(COLLECTION).bearer_auth(&self.served.token);
        assert_eq!(Answer::to(list).await.status, 200);
    }

    fn lost(&self) -> Option<u64> {
        let series = self.collector.series("oauth_clients.log.lines_lost");
        series.first().map(|series| series.count)
    }

    async fn lost_more_than(&self, before: u64) -> u64 {
        eventually("lines are lost", async || {
            self.lost().filter(|lost| *lost > before)
        })
        .await
    }

    /// Asserts that SIGTERM ends the server with success. An unreachable collector takes most of the time.
    async fn ends(&mut self) {
        let told = Instant::now();
        self.served.terminate().await;
        assert_eq!(self.served.exit_code().await, Some(0));
        assert!(told.elapsed() < Duration::from_secs(10), "{:?}", told.elapsed());
    }
}

/// Sends requests without a token on one connection, and returns how many were refused.
async fn refused(addr: &str, count: usize) -> usize {
    let requests = format!("GET {COLLECTION} HTTP/1.1\r\nhost: a\r\n\r\n").repeat(count);
    let mut connection = TcpStream::connect(addr).await.unwrap();
    let (mut from, mut to) = connection.split();
    let ask = async {
        to.write_all(requests.as_bytes()).await.unwrap();
        to.shutdown().await.unwrap();
    };
    let mut answers = String::new();
    let (read, ()) = tokio::join!(from.read_to_string(&mut answers), ask);
    read.unwrap();
    answers.matches("HTTP/1.1 401 ").count()
}

async fn lines_to_the_end(mut log: ChildStderr) -> Vec<Value> {
    let mut text = String::new();
    log.read_to_string(&mut text).await.unwrap();
    let lines = text.lines().map(serde_json::from_str);
    lines.collect::<Result<_, _>>().unwrap()
}

fn with_message(lines: &[Value], message: &str) -> usize {
    lines.iter().filter(|line| line["message"] == message).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unread_log_delays_neither_requests_nor_shutdown() {
    let (mut piped, _unread) = Piped::start().await;
    piped.log_lines(TOO_MANY).await;
    piped.answers_at_once().await;
    let lost = piped.lost_more_than(0).await;
    piped.log_lines(80).await;
    piped.lost_more_than(lost + 79).await;
    piped.ends().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_is_read_again_reports_the_lost_lines() {
    let (mut piped, log) = Piped::start().await;
    piped.log_lines(TOO_MANY).await;
    let mut lines = BufReader::new(log).lines();
    let mut answered = 0;
    let lost = loop {
        let line = tokio::time::timeout(AT_ONCE, lines.next_line()).await;
        let line = line.expect("the warning comes").unwrap().unwrap();
        let line: Value = serde_json::from_str(&line).unwrap();
        answered += u64::from(line["message"] == "request completed");
        if line["message"] == "log lines lost" {
            assert_eq!(line["level"], "WARN");
            break line["count"].as_u64().unwrap();
        }
    };
    eventually("the metric agrees", async || {
        (piped.lost() == Some(lost)).then_some(())
    })
    .await;
    // Each line was either read or counted.
    assert!(
        answered + lost >= u64::try_from(TOO_MANY).unwrap(),
        "{answered} {lost}"
    );

    // The log reports it once, until more are lost.
    let rest = tokio::spawn(lines_to_the_end(lines.into_inner().into_inner()));
    piped.log_lines(80).await;
    piped.ends().await;
    let rest = rest.await.unwrap();
    assert_eq!(with_message(&rest, "log lines lost"), 0, "{rest:?}");
    assert_eq!(with_message(&rest, "request completed"), 80);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_are_counted_when_the_reader_of_the_log_is_gone() {
    let (mut piped, log) = Piped::start().await;
    drop(log);
    piped.log_lines(80).await;
    piped.lost_more_than(79).await;
    piped.answers_at_once().await;
    piped.ends().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_lines_before_the_end_are_written() {
    // No collector listens there, which the server logs last.
    let (mut piped, log) = Piped::start_with(Collector::start().await, "http://127.0.0.1:1").await;
    // More than fits into the pipe.
    piped.log_lines(400).await;
    let lines = tokio::spawn(lines_to_the_end(log));
    piped.ends().await;
    let lines = lines.await.unwrap();
    assert_eq!(with_message(&lines, "request completed"), 400);
    let last = lines.last().unwrap();
    assert_eq!(last["message"], "last metrics not sent", "{last}");
}

#[tokio::test]
async fn a_collector_that_does_not_respond_does_not_hold_up_the_end() {
    // Connections are made, and nobody reads from them.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let collector = [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str())];
    let mut served = Served::start_with_env(dir.path(), &[], &collector).await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = http.get(format!("{}{COLLECTION}", served.rest));
    Answer::to(request.bearer_auth(&served.token)).await;
    let started = Instant::now();
    served.terminate().await;
    assert_eq!(served.exit_code().await, Some(0));
    assert!(
        started.elapsed() < Duration::from_secs(7),
        "{:?}",
        started.elapsed()
    );
    let log = served.log();
    assert!(
        log.contains("last spans not sent") && log.contains("last metrics not sent"),
        "{log}"
    );
}

#[tokio::test]
async fn a_request_is_one_line_with_its_caller() {
    let dir = tempfile::tempdir().unwrap();
    let served = Served::start(dir.path(), &[]).await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let token = served.token_of("acme");
    for (token, path) in [
        (token.as_str(), format!("{COLLECTION}/x")),
        ("x", COLLECTION.to_owned()),
    ] {
        let request = http.get(format!("{}{path}", served.rest)).bearer_auth(token);
        Answer::to(request.header("x-request-id", "mine-1")).await;
    }
    let lines = eventually("both are logged", async || {
        let log = served.log();
        let lines = log.lines().filter_map(|line| serde_json::from_str(line).ok());
        let lines: Vec<Value> = lines
            .filter(|line: &Value| line["request_id"] == "mine-1")
            .collect();
        (lines.len() == 2).then_some(lines)
    })
    .await;
    for (line, method, code, reason, tenant) in [
        (
            &lines[0],
            "GetOAuthClient",
            "NOT_FOUND",
            "CLIENT_NOT_FOUND",
            "acme".into(),
        ),
        (
            &lines[1],
            "ListOAuthClients",
            "UNAUTHENTICATED",
            "TOKEN_INVALID",
            Value::Null,
        ),
    ] {
        let path = format!("/oauth_clients.v1.OAuthClientService/{method}");
        assert_eq!(
            (&line["method"], &line["code"]),
            (&path.into(), &code.into()),
            "{line}"
        );
        assert_eq!(
            (&line["reason"], &line["tenant"]),
            (&reason.into(), &tenant),
            "{line}"
        );
        assert_eq!(line["subject"].is_null(), tenant.is_null(), "{line}");
        assert!(line["duration_ms"].as_f64().unwrap() > 0.0);
    }
}

#[tokio::test]
async fn a_long_path_makes_no_long_line() {
    let dir = tempfile::tempdir().unwrap();
    let served = Served::start(dir.path(), &[]).await;
    let path = format!("/{}", "a".repeat(60_000));
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = Answer::to(http.get(format!("{}{path}", served.rest))).await;
    assert_eq!(answer.status, 404);
    let line = eventually("it is logged", async || {
        let log = served.log();
        log.lines()
            .find(|line| line.contains("request completed"))
            .map(str::to_owned)
    })
    .await;
    assert!(line.contains(&path[..300]) && line.len() < 1_000, "{line}");
}

#[tokio::test]
async fn a_failed_command_ends_although_its_error_is_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().to_str().unwrap();
    let (_unread, full) = full_pipe().await;
    let cases: [(&[&str], i32); 3] = [
        (&["healthcheck", "--grpc-addr", "127.0.0.1:1"], 1),
        (&["serve", "--dev", "--no-such-flag"], 2),
        // This command logs too.
        (
            &[
                "serve",
                "--dev",
                "--data-dir",
                data_dir,
                "--grpc-addr",
                "0.0.0.0:0",
            ],
            1,
        ),
    ];
    for (args, code) in cases {
        let mut child = command(args).stderr(full.try_clone().unwrap()).spawn().unwrap();
        let started = Instant::now();
        assert_eq!(exit_code(&mut child).await, Some(code), "{args:?}");
        assert!(started.elapsed() < Duration::from_secs(5), "{args:?}");
    }
}

#[tokio::test]
async fn an_unread_greeting_delays_neither_requests_nor_shutdown() {
    let dir = tempfile::tempdir().unwrap();
    let (_unread, full) = full_pipe().await;
    let log = dir.path().join("log");
    let args = [
        "serve",
        "--dev",
        "--grpc-addr",
        "127.0.0.1:0",
        "--rest-addr",
        "127.0.0.1:0",
        "--data-dir",
        dir.path().to_str().unwrap(),
    ];
    let mut child = command(&args)
        .stdout(full)
        .stderr(File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let rest = eventually("it listens", async || {
        let log = fs::read_to_string(&log).unwrap();
        let line = log.lines().find(|line| line.contains("listening"))?.to_owned();
        Some(
            serde_json::from_str::<Value>(&line).unwrap()["rest"]
                .as_str()
                .unwrap()
                .to_owned(),
        )
    })
    .await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let healthz = http
        .get(format!("http://{rest}/healthz"))
        .timeout(Duration::from_secs(5));
    assert_eq!(Answer::to(healthz).await.status, 200);
    terminate(&child).await;
    assert_eq!(exit_code(&mut child).await, Some(0));
}
