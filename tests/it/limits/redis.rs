//! Rate limits that servers share through a Redis, and what they do when it fails.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use tokio::net::TcpListener;

use crate::support::{
    Db, TestServer, Transport, eventually,
    limits::{allowed_of, limited, read},
    redis::Redis,
};

const ADMIN_KEY: &str = "oauth-clients:limit:tier1:acme\u{1f}admin";

/// Returns `true` if Redis decides a request.
async fn is_decided_in(redis: &Redis, server: &TestServer) -> bool {
    let () = redis.ask(&["FLUSHALL"]).await;
    read(&server.admin(), Transport::Grpc).await;
    redis.ask(&["EXISTS", ADMIN_KEY]).await
}

async fn decides_again(redis: &Redis, server: &TestServer) {
    eventually("Redis decides again", async || {
        is_decided_in(redis, server).await.then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_on_one_redis_share_the_quota() {
    two_servers_share_a_quota(300, 12).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_overloaded_servers_still_share_the_quota() {
    two_servers_share_a_quota(60, 600).await;
}

/// Sends more requests than the quota allows, from as many callers at once, for a while.
async fn two_servers_share_a_quota(quota: u32, callers: usize) {
    let Some(redis) = Redis::start().await else {
        return;
    };
    let servers = [
        limited(Some(&redis), quota, 0).await,
        limited(Some(&redis), quota, 0).await,
    ];
    let (started, allowed) = (Instant::now(), AtomicUsize::new(0));
    let load = async |n: usize| {
        let caller = servers[n % 2].admin();
        while started.elapsed() < Duration::from_secs(3) {
            if read(&caller, Transport::BOTH[n / 2 % 2]).await.allowed {
                allowed.fetch_add(1, Ordering::SeqCst);
            } else {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    };
    join_all((0..callers).map(load)).await;
    let (allowed, seconds) = (allowed.into_inner(), started.elapsed().as_secs_f64());
    let most = f64::from(quota) + seconds * f64::from(quota) / 60.0;
    let allowed = f64::from(u32::try_from(allowed).unwrap());
    assert!(
        (most - 5.0..=most).contains(&allowed),
        "{allowed} were let through, {most} are right"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_when_redis_stops_under_load() {
    let Some(mut redis) = Redis::start().await else {
        return;
    };
    let server = limited(Some(&redis), 2_000, 0).await;
    let (started, slowest) = (Instant::now(), AtomicUsize::new(0));
    let load = async |n: usize| {
        while started.elapsed() < Duration::from_millis(1_500) {
            let asked = Instant::now();
            read(&server.admin(), Transport::BOTH[n % 2]).await;
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_loses_redis_continues_from_the_last_known_buckets() {
    let Some(mut redis) = Redis::start().await else {
        return;
    };
    let server = limited(Some(&redis), 6, 0).await;
    assert_eq!(allowed_of(8, &[&server]).await, 6);
    redis.stop();
    assert_eq!(
        allowed_of(8, &[&server]).await,
        0,
        "the quota is used up for ten seconds"
    );
}

/// Sends requests one after the other, of which only the first may wait for Redis.
async fn calls_hardly_wait(server: &TestServer) {
    let started = Instant::now();
    for n in 0..40 {
        assert!(read(&server.admin(), Transport::BOTH[n % 2]).await.allowed);
    }
    let took = started.elapsed();
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_hangs_delays_one_request() {
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
async fn a_redis_that_accepts_connections_and_never_responds_delays_no_request() {
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
async fn a_full_bucket_has_no_key_in_redis() {
    let Some(redis) = Redis::start().await else {
        return;
    };
    let server = limited(Some(&redis), 60, 0).await;
    read(&server.admin(), Transport::Grpc).await;
    let milliseconds: i64 = redis.ask(&["PTTL", ADMIN_KEY]).await;
    assert!((1..=1_000).contains(&milliseconds), "{milliseconds}");
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert_eq!(redis.ask::<u64>(&["DBSIZE"]).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_lost_its_scripts_and_keys_still_decides() {
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
async fn a_redis_clock_that_is_set_back_locks_no_caller_out() {
    let Some(redis) = Redis::start().await else {
        return;
    };
    let server = limited(Some(&redis), 60, 0).await;
    // In an hour, by the current clock.
    let (seconds, _): (u64, u64) = redis.ask(&["TIME"]).await;
    let full_at = (seconds + 3_600) * 1_000_000;
    let () = redis.ask(&["SET", ADMIN_KEY, &full_at.to_string()]).await;
    let refused = read(&server.admin(), Transport::Grpc).await;
    assert_eq!(refused.header("retry-after"), "1");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(read(&server.admin(), Transport::Grpc).await.allowed);
}
