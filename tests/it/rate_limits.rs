//! Rate limits: a token bucket a caller and tier, in the process or in a Redis that replicas share.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use http::HeaderMap;
use oauth_clients::{auth::dev_key::ALL_SCOPES, pb::v1::ListOAuthClientsRequest};
use tokio::net::TcpListener;
use tonic_types::StatusExt as _;

use crate::support::{
    Answer, Caller, Db, Door, TestServer, eventually, http::COLLECTION, redis::Redis, samples::spa,
};

/// What a caller learns of his quota.
#[derive(Debug)]
struct Called {
    allowed: bool,
    headers: HeaderMap,
    /// `RetryInfo`, which only gRPC has.
    exact_wait: Option<Duration>,
}

impl Called {
    fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }
}

/// A call of tier 1, which is within the quota or not, and nothing else.
async fn read(caller: &Caller<'_>, door: Door) -> Called {
    if door == Door::Rest {
        let answer = caller.http_get(COLLECTION).await;
        assert!(matches!(answer.status, 200 | 429), "{answer:?}");
        return Called {
            allowed: answer.status == 200,
            headers: answer.headers,
            exact_wait: None,
        };
    }
    let request = ListOAuthClientsRequest::default();
    match caller.grpc().list_o_auth_clients(request).await {
        Ok(answer) => Called {
            allowed: true,
            headers: answer.metadata().clone().into_headers(),
            exact_wait: None,
        },
        Err(status) => {
            assert_eq!(status.code(), tonic::Code::ResourceExhausted, "{status:?}");
            let details = status.get_error_details();
            Called {
                allowed: false,
                headers: status.metadata().clone().into_headers(),
                exact_wait: details.retry_info().unwrap().retry_delay,
            }
        }
    }
}

/// The limits of this process, and those in a Redis if there is one.
async fn places() -> Vec<Option<Redis>> {
    let mut places = vec![None];
    places.extend(Redis::start().await.map(Some));
    places
}

/// A server that lets so many reads and changes through in a minute.
async fn limited(redis: Option<&Redis>, reads: u32, changes: u32) -> TestServer {
    TestServer::start_with(Db::sqlite(), |config| {
        config.quotas.tier1_per_minute = reads;
        config.quotas.tier2_per_minute = changes;
        config.redis_url = redis.map(|redis| redis.url().parse().unwrap());
    })
    .await
}

/// Calls on both doors at once, and counts those that are let through.
async fn allowed_of(calls: usize, servers: &[&TestServer]) -> usize {
    let admins: Vec<Caller<'_>> = servers.iter().map(|server| server.admin()).collect();
    let calls = (0..calls).map(|n| read(&admins[n % admins.len()], Door::BOTH[n / admins.len() % 2]));
    let answers = join_all(calls).await;
    answers.iter().filter(|called| called.allowed).count()
}

const ADMIN_KEY: &str = "oauth-clients:limit:tier1:acme\u{1f}admin";

/// Whether a call is decided in Redis.
async fn is_decided_in(redis: &Redis, server: &TestServer) -> bool {
    let () = redis.ask(&["FLUSHALL"]).await;
    read(&server.admin(), Door::Grpc).await;
    redis.ask(&["EXISTS", ADMIN_KEY]).await
}

async fn decides_again(redis: &Redis, server: &TestServer) {
    eventually("Redis decides again", async || {
        is_decided_in(redis, server).await.then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_calls_at_once_the_quota_is_let_through() {
    for redis in places().await {
        let server = limited(redis.as_ref(), 10, 0).await;
        assert_eq!(allowed_of(50, &[&server]).await, 10);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_on_one_redis_share_the_quota() {
    const QUOTA: u32 = 300;
    let Some(redis) = Redis::start().await else {
        return;
    };
    let servers = [
        limited(Some(&redis), QUOTA, 0).await,
        limited(Some(&redis), QUOTA, 0).await,
    ];
    let (started, allowed) = (Instant::now(), AtomicUsize::new(0));
    let load = async |n: usize| {
        let caller = servers[n % 2].admin();
        while started.elapsed() < Duration::from_secs(3) {
            if read(&caller, Door::BOTH[n / 2 % 2]).await.allowed {
                allowed.fetch_add(1, Ordering::SeqCst);
            } else {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    };
    join_all((0..12).map(load)).await;
    let (allowed, seconds) = (allowed.into_inner(), started.elapsed().as_secs_f64());
    let most = f64::from(QUOTA) + seconds * f64::from(QUOTA) / 60.0;
    let allowed = f64::from(u32::try_from(allowed).unwrap());
    assert!(
        (most - 5.0..=most).contains(&allowed),
        "{allowed} were let through, {most} are right"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_because_redis_is_stopped_under_load() {
    let Some(mut redis) = Redis::start().await else {
        return;
    };
    let server = limited(Some(&redis), 2_000, 0).await;
    let (started, slowest) = (Instant::now(), AtomicUsize::new(0));
    let load = async |n: usize| {
        while started.elapsed() < Duration::from_millis(1_500) {
            let asked = Instant::now();
            read(&server.admin(), Door::BOTH[n % 2]).await;
            let took = usize::try_from(asked.elapsed().as_millis()).unwrap();
            slowest.fetch_max(took, Ordering::SeqCst);
        }
    };
    let outage = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        redis.stop();
        tokio::time::sleep(Duration::from_millis(500)).await;
        redis.restart().await;
    };
    tokio::join!(join_all((0..6).map(load)), outage);
    assert!(slowest.into_inner() < 1_000, "a call waited for Redis");
    decides_again(&redis, &server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_starts_without_its_redis_and_finds_it_later() {
    let Some(mut redis) = Redis::start().await else {
        return;
    };
    redis.stop();
    let server = limited(Some(&redis), 10, 0).await;
    assert_eq!(allowed_of(30, &[&server]).await, 10, "it limits by itself");
    redis.restart().await;
    decides_again(&redis, &server).await;
}

/// Calls one after the other, none of which may wait for Redis but the first.
async fn calls_hardly_wait(server: &TestServer) {
    let started = Instant::now();
    for n in 0..40 {
        assert!(read(&server.admin(), Door::BOTH[n % 2]).await.allowed);
    }
    let took = started.elapsed();
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_hangs_delays_calls_once() {
    let Some(redis) = Redis::start().await else {
        return;
    };
    let server = limited(Some(&redis), 1_000, 0).await;
    redis.signal("STOP");
    calls_hardly_wait(&server).await;
    redis.signal("CONT");
    decides_again(&redis, &server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_takes_connections_and_never_answers_delays_no_call() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", silent.local_addr().unwrap());
    let server = TestServer::start_with(Db::sqlite(), |config| {
        config.quotas.tier1_per_minute = 1_000;
        config.redis_url = Some(url.parse().unwrap());
    })
    .await;
    calls_hardly_wait(&server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_that_is_full_again_is_no_key_in_redis() {
    let Some(redis) = Redis::start().await else {
        return;
    };
    let server = limited(Some(&redis), 60, 0).await;
    read(&server.admin(), Door::Grpc).await;
    let milliseconds: i64 = redis.ask(&["PTTL", ADMIN_KEY]).await;
    assert!((1..=1_000).contains(&milliseconds), "{milliseconds}");
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert_eq!(redis.ask::<u64>(&["DBSIZE"]).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_forgets_its_scripts_and_keys_goes_on_deciding() {
    let Some(redis) = Redis::start().await else {
        return;
    };
    let server = limited(Some(&redis), 10, 0).await;
    assert_eq!(allowed_of(5, &[&server]).await, 5);
    let () = redis.ask(&["SCRIPT", "FLUSH"]).await;
    assert_eq!(allowed_of(20, &[&server]).await, 5, "the bucket is still there");
    let () = redis.ask(&["FLUSHALL"]).await;
    assert_eq!(allowed_of(20, &[&server]).await, 10, "every bucket is full");
    let garbage = ["SET", ADMIN_KEY, "garbage"];
    let () = redis.ask(&garbage).await;
    assert_eq!(allowed_of(20, &[&server]).await, 10, "that is no bucket");
    assert!(is_decided_in(&redis, &server).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_of_redis_that_is_set_back_locks_nobody_out() {
    let Some(redis) = Redis::start().await else {
        return;
    };
    let server = limited(Some(&redis), 60, 0).await;
    // In an hour, by the clock as it is now.
    let (seconds, _): (u64, u64) = redis.ask(&["TIME"]).await;
    let full_at = (seconds + 3_600) * 1_000_000;
    let () = redis.ask(&["SET", ADMIN_KEY, &full_at.to_string()]).await;
    let refused = read(&server.admin(), Door::Grpc).await;
    assert_eq!(refused.header("retry-after"), "1");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(read(&server.admin(), Door::Grpc).await.allowed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_as_long_as_he_is_told_is_let_through_and_who_does_not_is_not() {
    for redis in places().await {
        let server = limited(redis.as_ref(), 60, 0).await;
        let admin = server.admin();
        let mut calls = 0;
        while read(&admin, Door::BOTH[calls % 2]).await.allowed {
            calls += 1;
        }
        for door in Door::BOTH {
            let wait = refused_for(&admin).await;
            tokio::time::sleep(wait).await;
            assert!(read(&admin, door).await.allowed, "{door:?} after {wait:?}");
            // Now a whole second is missing for the next call.
            let wait = refused_for(&admin).await;
            tokio::time::sleep(wait / 2).await;
            assert!(
                !read(&admin, door).await.allowed,
                "{door:?} after half of {wait:?}"
            );
            let refused = read(&admin, door).await;
            assert_eq!(refused.header("retry-after"), "1", "{door:?}");
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert!(read(&admin, door).await.allowed, "{door:?} after Retry-After");
        }
    }
}

/// How long a caller whose bucket is empty is told to wait, exactly.
async fn refused_for(caller: &Caller<'_>) -> Duration {
    let refused = read(caller, Door::Grpc).await;
    let wait = refused.exact_wait.expect("refused");
    assert!(
        wait > Duration::ZERO && wait <= Duration::from_secs(1),
        "{wait:?}"
    );
    wait
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_caller_has_a_bucket_of_his_own() {
    let callers = [
        ("a", "b"),
        ("b", "a"),
        ("a", "bc"),
        ("ab", "c"),
        ("a:b", "c"),
        ("a", "b:c"),
        ("a b", "c"),
        ("a", "b c"),
        ("é", "{a}"),
        ("{é}", "a"),
    ];
    for redis in places().await {
        let server = limited(redis.as_ref(), 1, 1).await;
        for (tenant, subject) in callers {
            let caller = server.caller(Some(server.token(tenant, subject, ALL_SCOPES)));
            assert!(read(&caller, Door::Grpc).await.allowed, "{tenant} {subject}");
            assert!(!read(&caller, Door::Rest).await.allowed, "{tenant} {subject}");
            let create = caller.http_post(COLLECTION, spa().to_string());
            assert_eq!(create.await.status, 201, "another tier: {tenant} {subject}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_say_the_quota_and_what_is_left_of_it() {
    for redis in places().await {
        let server = limited(redis.as_ref(), 2, 1_000).await;
        for door in Door::BOTH {
            let token = server.token("acme", &format!("{door:?}"), ALL_SCOPES);
            let caller = server.caller(Some(token));
            for left in ["\"tier1\";r=1;t=30", "\"tier1\";r=0;t=60", "\"tier1\";r=0;t=60"] {
                let answer = read(&caller, door).await;
                assert_eq!(answer.header("ratelimit-policy"), "\"tier1\";q=2;w=60");
                assert_eq!(answer.header("ratelimit"), left);
            }
            let created = caller.http_post(COLLECTION, spa().to_string()).await;
            assert_eq!(created.header("ratelimit-policy"), "\"tier2\";q=1000;w=60");
            assert_eq!(created.header("ratelimit"), "\"tier2\";r=999;t=1");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_to_a_call_that_is_counted_has_the_headers() {
    let server = limited(None, 100, 100).await;
    let admin = server.admin();
    let id = admin.created(spa()).await;
    let long = serde_json::json!({"appType": "spa", "clientName": "x", "redirectUris": vec!["x"; 100]});
    let held = server.db.hold_writers().await;
    let slow = admin
        .request(reqwest::Method::DELETE, &format!("{COLLECTION}/{id}"))
        .header("qlik-confirm-delete", &id)
        .header("grpc-timeout", "100m");
    let answers = [
        (404, admin.http_get(&format!("{COLLECTION}/x")).await),
        (400, admin.http_get(&format!("{COLLECTION}?limit=0")).await),
        (413, admin.http_post(COLLECTION, vec![b' '; 2 << 20]).await),
        (400, admin.http_post(COLLECTION, long.to_string()).await),
        (504, Answer::to(slow).await),
    ];
    held.rollback().await.unwrap();
    for (status, answer) in answers {
        assert_eq!(answer.status, status);
        let policy = answer.header("ratelimit-policy");
        assert!(policy.ends_with(";q=100;w=60"), "{status}: {policy}");
        assert!(answer.header("ratelimit").contains(";r="), "{status}");
    }
    let request = oauth_clients::pb::v1::CreateOAuthClientRequest {
        redirect_uris: vec!["x".to_owned(); 100],
        ..Default::default()
    };
    let long = admin.grpc().create_o_auth_client(request).await.unwrap_err();
    let info = long.get_error_details();
    assert!(
        info.error_info()
            .unwrap()
            .metadata
            .contains_key("violationsShown"),
        "it was shortened"
    );
    assert!(long.metadata().contains_key("ratelimit"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_counted_has_no_headers() {
    let limited = limited(None, 1, 1).await;
    let anonymous = limited.caller(None);
    let unlimited = TestServer::start(Db::sqlite()).await;
    let health = async |server: &TestServer| {
        let request = tonic_health::pb::HealthCheckRequest::default();
        let mut client = tonic_health::pb::health_client::HealthClient::new(server.channel.clone());
        client
            .check(request)
            .await
            .unwrap()
            .metadata()
            .clone()
            .into_headers()
    };
    let answers = [
        read(&unlimited.admin(), Door::Rest).await.headers,
        read(&unlimited.admin(), Door::Grpc).await.headers,
        anonymous.http_get(COLLECTION).await.headers,
        anonymous.http_get("/nothing").await.headers,
        anonymous.http_get("/healthz").await.headers,
        health(&limited).await,
        health(&limited).await,
    ];
    for headers in answers {
        assert!(!headers.contains_key("ratelimit"), "{headers:?}");
        assert!(!headers.contains_key("ratelimit-policy"), "{headers:?}");
    }
}
