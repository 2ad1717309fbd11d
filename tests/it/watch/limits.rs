//! The limits of streams.

use std::time::Duration;

use serde_json::json;

use crate::support::{
    Answer, Db, TestServer, Transport, eventually,
    watching::{Said, Watched, token_of},
};

on_each_database![
    a_subject_has_so_many_streams,
    a_reader_that_is_too_slow_is_cut_off_and_continues,
    a_stream_that_begins_far_back_has_everything,
];

async fn a_subject_has_so_many_streams(db: Db) {
    let server = TestServer::start_with(db, |config| config.watch_streams = 2).await;
    let admin = server.admin();
    let (first, _) = admin.watch_now(Transport::Rest).await;
    let (_second, _) = admin.watch_now(Transport::Grpc).await;
    for transport in Transport::BOTH {
        let refused = admin.watch_refused(transport, json!({})).await;
        assert_eq!(refused.codes(), ["RATE_LIMITED"]);
        server.admin_of("other").watch_now(transport).await;
        let other = server.token("acme", "other", "oauth-clients:audit");
        server.caller(Some(other)).watch_now(transport).await;
    }
    let answer = Answer::to(admin.watch_request(&json!({}))).await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, "10"));
    drop(first);
    let third = eventually("a stream that is gone does not count", async || {
        admin.watch(Transport::Rest, json!({})).await.ok()
    });
    let _third = third.await;
    let refused = admin.watch_refused(Transport::Rest, json!({})).await;
    assert_eq!(refused.codes(), ["RATE_LIMITED"]);
}

/// Adds change records of a client each, with so many bytes of updates, all in one transaction.
async fn add_changes(db: &Db, from: usize, until: usize, kib: usize) {
    let (numbers, id, text) = if db.is_sqlite() {
        let numbers = format!(
            "WITH RECURSIVE numbers (number) AS \
             (SELECT {from} UNION ALL SELECT number + 1 FROM numbers WHERE number < {until}) "
        );
        let text = format!("replace(hex(zeroblob({})), '00', 'ab')", kib * 512);
        (numbers, "printf('%032x', number)", text)
    } else {
        let text = format!("repeat('ab', {})", kib * 512);
        let numbers = format!("WITH numbers AS (SELECT generate_series({from}, {until}) AS number) ");
        (numbers, "lpad(to_hex(number), 32, '0')", text)
    };
    let updates = format!(r#"'[{{"path": "/clientName", "newValue": "' || {text} || '"}}]'"#);
    let insert = format!(
        "INSERT INTO oauth_client_changes (tenant_id, client_id, revision, type, time, actor, updates) \
         {numbers} SELECT 'acme', {id}, 2, 'updated', number, 'somebody', {updates} FROM numbers"
    );
    db.execute(&insert).await;
}

/// Reads until a stream ends, and returns its last token, the number of the next change, and the end. The change of a
/// number is that of the client with this number.
async fn read_in_order(
    watched: &mut Watched,
    from: usize,
    until: usize,
) -> (Option<String>, usize, Option<Said>) {
    let (mut token, mut number) = (None, from);
    while number <= until {
        match watched.next().await {
            Said::Message(message) => {
                token = Some(token_of(&message));
                if message["bookmark"].is_null() {
                    let change = &message["change"]["change"];
                    assert_eq!(change["clientId"], format!("{number:032x}"));
                    number += 1;
                }
            }
            end => return (token, number, Some(end)),
        }
    }
    (token, number, None)
}

async fn a_reader_that_is_too_slow_is_cut_off_and_continues(server: TestServer) {
    let admin = server.admin();
    let count = 500;
    for transport in Transport::BOTH {
        server.db.execute("DELETE FROM oauth_client_changes").await;
        let (mut slow, _) = admin.watch_now(transport).await;
        let mut next = 1;
        let token = loop {
            assert!(next < 5 * count, "never cut off");
            let until = next + count - 1;
            add_changes(&server.db, next, until, 100).await;
            // More than memory holds becomes visible while it does not read.
            tokio::time::sleep(Duration::from_secs(5)).await;
            let (token, number, end) = read_in_order(&mut slow, next, until).await;
            next = number;
            if let Some(end) = end {
                assert_eq!(end, Said::Failed("WATCH_TOO_SLOW".to_owned()));
                break token.unwrap();
            }
        };
        let until = next.next_multiple_of(count);
        let resume = json!({"resumeToken": token});
        let mut again = admin.watch(transport, resume).await.unwrap();
        let (_, number, end) = read_in_order(&mut again, next, until).await;
        assert_eq!((number, end), (until + 1, None));
    }
}

async fn a_stream_that_begins_far_back_has_everything(server: TestServer) {
    let admin = server.admin();
    let (watched, token) = admin.watch_now(Transport::Grpc).await;
    drop(watched);
    // More than a slice, and than memory holds.
    let count = 12_000;
    add_changes(&server.db, 1, count, 0).await;
    for transport in Transport::BOTH {
        let resume = json!({"resumeToken": token});
        let mut watched = admin.watch(transport, resume).await.unwrap();
        for number in 1..=count {
            let change = watched.message().await;
            assert_eq!(change["change"]["change"]["clientId"], format!("{number:032x}"));
        }
        assert!(watched.message().await["bookmark"].is_object());
    }
    // Another tenant has read past all of them.
    let (_, other) = server.admin_of("other").watch_now(Transport::Grpc).await;
    let resume = json!({"resumeToken": other});
    let mut watched = server
        .admin_of("other")
        .watch(Transport::Rest, resume)
        .await
        .unwrap();
    assert!(watched.message().await["bookmark"].is_object());
}
