//! Metrics over OTLP, as the real binary exports them.

use http::Request;
use tonic::body::Body;
use tower::{Service as _, ServiceExt as _};

use crate::support::{
    Answer,
    collector::{Collector, Series},
    eventually,
    http::COLLECTION,
    process::Served,
    redis::Redis,
    samples::spa,
};

/// The binary, exporting its metrics ten times a second, and a caller.
struct Measured {
    collector: Collector,
    served: Served,
    http: reqwest::Client,
    _dir: tempfile::TempDir,
}

impl Measured {
    async fn start(args: &[&str], env: &[(&str, &str)]) -> Self {
        let collector = Collector::start().await;
        let dir = tempfile::tempdir().unwrap();
        let otlp = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint.as_str()),
            ("OTEL_METRIC_EXPORT_INTERVAL", "100"),
        ];
        let served = Served::start_with_env(dir.path(), args, &[&otlp, env].concat()).await;
        Self {
            collector,
            served,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            _dir: dir,
        }
    }

    async fn get(&self, path: &str) -> u16 {
        let request = self.http.get(format!("{}{path}", self.served.rest));
        Answer::to(request.bearer_auth(&self.served.token)).await.status
    }

    /// Returns who decided the requests so far, with their numbers.
    fn decided(&self) -> Vec<(String, u64)> {
        let by = |series: Series| {
            let by = series.attributes.iter().find(|(name, _)| name == "by");
            (by.unwrap().1.clone(), series.count)
        };
        let decisions = self.collector.series("oauth_clients.rate_limit.decisions");
        decisions.into_iter().map(by).collect()
    }

    /// Sends requests until this limiter decides.
    async fn decided_by(&self, who: &str) {
        let count = || self.decided().into_iter().find(|(by, _)| by == who);
        let before = count();
        eventually(&format!("{who} decides"), async || {
            assert_eq!(self.get(COLLECTION).await, 200);
            (count() != before).then_some(())
        })
        .await;
    }

    fn logged(&self, text: &str) -> usize {
        let log = self.served.log();
        assert!(!log.contains("panicked"), "{log}");
        log.matches(text).count()
    }
}

fn series(attributes: &[(&str, &str)], count: u64) -> Series {
    let text = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Series {
        attributes: attributes.iter().map(text).collect(),
        count,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_are_measured_and_rate_limit_decisions_are_counted() {
    let mut measured = Measured::start(&["--tier1-per-minute", "2"], &[]).await;
    let statuses = [
        measured.get(COLLECTION).await,
        measured.get(&format!("{COLLECTION}/x")).await,
        measured.get(COLLECTION).await,
        measured.get("/made/up").await,
    ];
    assert_eq!(statuses, [200, 404, 429, 404]);
    // The rest is exported before the process ends.
    measured.served.terminate().await;
    assert_eq!(measured.served.exit_code().await, Some(0));

    let decisions = measured.collector.series("oauth_clients.rate_limit.decisions");
    for (outcome, count) in [("allowed", 2), ("limited", 1)] {
        let counted = series(
            &[("by", "process"), ("outcome", outcome), ("tier", "tier1")],
            count,
        );
        assert!(decisions.contains(&counted), "{counted:?} {decisions:?}");
    }
    let calls = measured.collector.series("rpc.server.call.duration");
    let list = "oauth_clients.v1.OAuthClientService/ListOAuthClients";
    let get = "oauth_clients.v1.OAuthClientService/GetOAuthClient";
    for (method, code) in [
        (list, "OK"),
        (list, "RESOURCE_EXHAUSTED"),
        (get, "NOT_FOUND"),
        ("_OTHER", "NOT_FOUND"),
    ] {
        let attributes = [
            ("rpc.method", method),
            ("rpc.response.status_code", code),
            ("rpc.system.name", "grpc"),
        ];
        let call = series(&attributes, 1);
        assert!(calls.contains(&call), "{call:?} {calls:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_in_another_protocol_is_measured_and_logged_under_its_method() {
    let mut measured = Measured::start(&[], &[]).await;
    let method = "oauth_clients.v1.OAuthClientService/CreateOAuthClient";
    let request =
        Request::post(format!("http://localhost/{method}")).header("content-type", "application/json");
    let mut channel = measured.served.transports().channel;
    let request = request.body(Body::empty()).unwrap();
    let answer = channel.ready().await.unwrap().call(request).await.unwrap();
    assert_eq!(answer.status(), 415);
    measured.served.terminate().await;
    assert_eq!(measured.served.exit_code().await, Some(0));
    assert_eq!(measured.logged("UNSUPPORTED_MEDIA_TYPE"), 1);
    let attributes = [
        ("rpc.method", method),
        ("rpc.response.status_code", "INVALID_ARGUMENT"),
        ("rpc.system.name", "grpc"),
    ];
    let calls = measured.collector.series("rpc.server.call.duration");
    assert!(calls.contains(&series(&attributes, 1)), "{calls:?}");
}

const AWAY: &str = "Redis unavailable, each replica limits by itself";
const BACK: &str = "Redis connected, replicas share the rate limits";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_of_redis_is_logged_once_and_counted() {
    let Some(mut redis) = Redis::start().await else {
        return;
    };
    let url = redis.url();
    let measured = Measured::start(&["--redis-url", &url], &[]).await;
    measured.decided_by("redis").await;
    assert_eq!((measured.logged(AWAY), measured.logged(BACK)), (0, 1));
    redis.stop();
    measured.decided_by("fallback").await;
    measured.decided_by("fallback").await;
    assert_eq!((measured.logged(AWAY), measured.logged(BACK)), (1, 1));
    redis.restart().await;
    measured.decided_by("redis").await;
    assert_eq!((measured.logged(AWAY), measured.logged(BACK)), (1, 2));
}

/// Returns the flag with the user, the password and the port of a Redis.
fn with_password(port: u16) -> String {
    format!("redis://user:hunter2@127.0.0.1:{port}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_refuses_the_user_is_unavailable_and_the_password_is_not_logged() {
    let Some(redis) = Redis::start().await else {
        return;
    };
    let url = with_password(redis.addr.port());
    let measured = Measured::start(&[], &[("OAUTH_CLIENTS_REDIS_URL", &url)]).await;
    measured.decided_by("fallback").await;
    assert_eq!(measured.logged(AWAY), 1);
    assert_eq!(measured.logged("hunter2"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rediss_does_not_accept_a_redis_without_tls() {
    let Some(redis) = Redis::start().await else {
        return;
    };
    let url = redis.url().replace("redis:", "rediss:");
    let measured = Measured::start(&["--redis-url", &url], &[]).await;
    measured.decided_by("fallback").await;
    assert_eq!(measured.logged(AWAY), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_certificate_of_a_redis_is_verified() {
    let issued = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (cert, key) = (issued.cert.pem(), issued.signing_key.serialize_pem());
    let tls = |port: u16, dir: &tempfile::TempDir| {
        std::fs::write(dir.path().join("cert.pem"), &cert).unwrap();
        std::fs::write(dir.path().join("key.pem"), key).unwrap();
        let port = port.to_string();
        let args = [
            "--port",
            "0",
            "--tls-port",
            &port,
            "--tls-cert-file",
            "cert.pem",
            "--tls-key-file",
            "key.pem",
            "--tls-auth-clients",
            "no",
            "--tls-ca-cert-file",
            "cert.pem",
        ];
        args.map(str::to_owned).to_vec()
    };
    let Some(redis) = Redis::start_with(tls).await else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let url = format!("rediss://localhost:{}", redis.addr.port());
    for (trusted, who) in [(&cert, "redis"), (&other.cert.pem(), "fallback")] {
        let file = dir.path().join(format!("{who}.pem"));
        std::fs::write(&file, trusted).unwrap();
        let env = [("SSL_CERT_FILE", file.to_str().unwrap())];
        let measured = Measured::start(&["--redis-url", &url], &env).await;
        measured.decided_by(who).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_that_memory_answers_are_counted() {
    let mut measured = Measured::start(&[], &[]).await;
    let create = measured
        .http
        .post(format!("{}{COLLECTION}", measured.served.rest))
        .json(&spa());
    let created = Answer::to(create.bearer_auth(&measured.served.token)).await;
    let path = format!("{COLLECTION}/{}", created.json()["clientId"].as_str().unwrap());
    // The first read fills memory.
    for _ in 0..3 {
        assert_eq!(measured.get(&path).await, 200);
    }
    measured.served.terminate().await;
    assert_eq!(measured.served.exit_code().await, Some(0));
    let reads = measured.collector.series("oauth_clients.memory.reads");
    for (outcome, count) in [("hit", 2), ("miss", 1), ("stale", 0)] {
        let counted = series(&[("outcome", outcome)], count);
        assert!(reads.contains(&counted), "{counted:?} {reads:?}");
    }
}
