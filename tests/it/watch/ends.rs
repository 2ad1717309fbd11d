//! The ends of a stream, each after a last token.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Db, TestServer, Transport, samples::spa, watching::Said};

on_each_database![
    a_stream_ends_when_the_token_of_its_caller_expires,
    a_stream_ends_when_its_server_stops,
    a_stream_has_the_deadline_of_its_caller_and_not_that_of_the_server,
];

fn failed(code: &str) -> Said {
    Said::Failed(code.to_owned())
}

async fn a_stream_ends_when_the_token_of_its_caller_expires(server: TestServer) {
    // The expiry is a whole second.
    let (lifetime, at_least) = (Duration::from_secs(4), Duration::from_secs(3));
    for transport in Transport::BOTH {
        let began = Instant::now();
        let token = server.token_for("acme", "admin", "oauth-clients:audit", lifetime);
        let consumer = server.caller(Some(token));
        let (mut watched, _) = consumer.watch_now(transport).await;
        let (last, end) = watched.end().await;
        assert_eq!(end, failed("TOKEN_INVALID"));
        assert!(began.elapsed() >= at_least);
        let id = server.admin().created(spa()).await;
        let resume = json!({"resumeToken": last.expect("a last token")});
        let mut resumed = server.admin().watch(transport, resume).await.unwrap();
        assert_eq!(resumed.event().await["change"]["change"]["clientId"], *id);
    }
}

async fn a_stream_ends_when_its_server_stops(server: TestServer) {
    let (mut rest, _) = server.admin().watch_now(Transport::Rest).await;
    let (mut grpc, _) = server.admin().watch_now(Transport::Grpc).await;
    let began = Instant::now();
    let (db, rest, grpc) = tokio::join!(server.stop(), rest.end(), grpc.end());
    assert!(began.elapsed() < Duration::from_secs(5), "no stream was cut off");
    assert_eq!(rest.1, failed("UNAVAILABLE"));
    assert_eq!(grpc.1, failed("UNAVAILABLE"));
    let server = TestServer::start(db).await;
    let id = server.admin().created(spa()).await;
    for last in [rest.0, grpc.0] {
        let resume = json!({"resumeToken": last.expect("a last token")});
        let mut resumed = server.admin().watch(Transport::Grpc, resume).await.unwrap();
        assert_eq!(resumed.event().await["change"]["change"]["clientId"], *id);
    }
}

async fn a_stream_has_the_deadline_of_its_caller_and_not_that_of_the_server(db: Db) {
    let limit = Duration::from_secs(1);
    let server = TestServer::start_with(db, |config| config.call_timeout = limit).await;
    let admin = server.admin();
    let (mut unlimited, _) = admin.watch_now(Transport::Grpc).await;
    let request = admin.watch_request(&json!({})).header("grpc-timeout", "3S");
    let began = Instant::now();
    let text = request.send().await.unwrap().text().await.unwrap();
    assert!(began.elapsed() >= Duration::from_millis(2_900));
    let last = text.lines().last().unwrap();
    assert!(last.contains("\"DEADLINE_EXCEEDED\""), "{text}");
    let id = admin.created(spa()).await;
    assert_eq!(unlimited.event().await["change"]["change"]["clientId"], *id);
}
