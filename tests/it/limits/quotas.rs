//! Rate limits: a token bucket for each caller and tier, with the same behaviour in the process and in Redis.

use std::time::Duration;

use oauth_clients::auth::dev_key::all_scopes;
use tonic_types::StatusExt as _;

use crate::support::{
    Answer, Caller, Db, TestServer, Transport,
    http::COLLECTION,
    limits::{allowed_of, limited, places, read},
    samples::spa,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_requests_are_admitted_up_to_the_quota() {
    for redis in places().await {
        let server = limited(redis.as_ref(), 10, 0).await;
        assert_eq!(allowed_of(50, &[&server]).await, 10);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_is_admitted_after_retry_after_and_not_before() {
    for redis in places().await {
        let server = limited(redis.as_ref(), 60, 0).await;
        let admin = server.admin();
        let mut calls = 0;
        while read(&admin, Transport::BOTH[calls % 2]).await.allowed {
            calls += 1;
        }
        for transport in Transport::BOTH {
            let wait = refused_for(&admin).await;
            tokio::time::sleep(wait).await;
            assert!(
                read(&admin, transport).await.allowed,
                "{transport:?} after {wait:?}"
            );
            // The next request has to wait for a whole second now.
            let wait = refused_for(&admin).await;
            tokio::time::sleep(wait / 2).await;
            assert!(
                !read(&admin, transport).await.allowed,
                "{transport:?} after half of {wait:?}"
            );
            let refused = read(&admin, transport).await;
            assert_eq!(refused.header("retry-after"), "1", "{transport:?}");
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert!(
                read(&admin, transport).await.allowed,
                "{transport:?} after Retry-After"
            );
        }
    }
}

/// Returns the exact time that a caller with an empty bucket has to wait.
async fn refused_for(caller: &Caller<'_>) -> Duration {
    let refused = read(caller, Transport::Grpc).await;
    let wait = refused.exact_wait.expect("refused");
    assert!(
        wait > Duration::ZERO && wait <= Duration::from_secs(1),
        "{wait:?}"
    );
    wait
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_caller_has_its_own_bucket() {
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
            let caller = server.caller(Some(server.token(tenant, subject, all_scopes())));
            assert!(read(&caller, Transport::Grpc).await.allowed, "{tenant} {subject}");
            assert!(
                !read(&caller, Transport::Rest).await.allowed,
                "{tenant} {subject}"
            );
            let create = caller.http_post(COLLECTION, spa().to_string());
            assert_eq!(create.await.status, 201, "another tier: {tenant} {subject}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_have_the_quota_and_what_is_left_of_it() {
    for redis in places().await {
        let server = limited(redis.as_ref(), 2, 1_000).await;
        for transport in Transport::BOTH {
            let token = server.token("acme", &format!("{transport:?}"), all_scopes());
            let caller = server.caller(Some(token));
            for left in ["\"tier1\";r=1;t=30", "\"tier1\";r=0;t=60", "\"tier1\";r=0;t=60"] {
                let answer = read(&caller, transport).await;
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
async fn every_response_to_a_counted_request_has_the_headers() {
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
async fn requests_that_are_not_counted_have_no_headers() {
    let limited = limited(None, 1, 1).await;
    let anonymous = limited.caller(None);
    let unlimited = TestServer::start(Db::sqlite()).await;
    let health = async |server: &TestServer| {
        let request = tonic_health::pb::HealthCheckRequest::default();
        let mut client =
            tonic_health::pb::health_client::HealthClient::new(server.transports.channel.clone());
        client
            .check(request)
            .await
            .unwrap()
            .metadata()
            .clone()
            .into_headers()
    };
    let answers = [
        read(&unlimited.admin(), Transport::Rest).await.headers,
        read(&unlimited.admin(), Transport::Grpc).await.headers,
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
