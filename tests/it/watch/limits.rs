//! The limits of streams.

use serde_json::json;

use crate::support::{
    Db, TestServer, Transport, eventually,
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
    for transport in Transport::BOTH {
        let (first, _) = admin.watch_now(Transport::Rest).await;
        let (_second, _) = admin.watch_now(Transport::Grpc).await;
        let refused = admin.watch_refused(transport, json!({})).await;
        assert_eq!(refused.codes(), ["RATE_LIMITED"]);
        server.admin_of("other").watch_now(transport).await;
        let other = server.token("acme", "other", "oauth-clients:audit");
        server.caller(Some(other)).watch_now(transport).await;
        drop(first);
        eventually("a stream that is gone does not count", async || {
            admin.watch(Transport::Rest, json!({})).await.ok().map(drop)
        })
        .await;
        drop(_second);
        // Both are free before the next transport.
        eventually("free again", async || {
            let (one, _) = match admin.watch(Transport::Rest, json!({})).await {
                Ok(one) => (one, ()),
                Err(_) => return None,
            };
            let two = admin.watch(Transport::Rest, json!({})).await.ok()?;
            drop((one, two));
            Some(())
        })
        .await;
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    }
    let one = admin.watch(Transport::Rest, json!({})).await.unwrap();
    let two = admin.watch(Transport::Rest, json!({})).await.unwrap();
    let answer = crate::support::Answer::to(admin.watch_request(&json!({}))).await;
    assert_eq!(answer.status, 429);
    assert_eq!(answer.header("retry-after"), "10");
    drop((one, two));
}

/// Adds change records of a client each, with so many bytes of updates, all in one transaction.
async fn add_changes(db: &Db, count: usize, kib: usize) {
    let (numbers, id, text, number) = if db.is_sqlite() {
        let numbers = format!(
            "WITH RECURSIVE numbers (number) AS \
             (SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < {count}) "
        );
        let text = format!("replace(hex(zeroblob({})), '00', 'ab')", kib * 512);
        (numbers, "printf('%032x', number)", text, "numbers")
    } else {
        let text = format!("repeat('ab', {})", kib * 512);
        let numbers = format!("WITH numbers AS (SELECT generate_series(1, {count}) AS number) ");
        (numbers, "lpad(to_hex(number), 32, '0')", text, "numbers")
    };
    let updates = format!(r#"'[{{"path": "/clientName", "newValue": "' || {text} || '"}}]'"#);
    let insert = format!(
        "INSERT INTO oauth_client_changes (tenant_id, client_id, revision, type, time, actor, updates) \
         {numbers} SELECT 'acme', {id}, 2, 'updated', number, 'somebody', {updates} FROM {number}"
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
    let too_slow = Said::Failed("WATCH_TOO_SLOW".to_owned());
    for transport in Transport::BOTH {
        server.db.execute("DELETE FROM oauth_client_changes").await;
        let (mut slow, token) = admin.watch_now(transport).await;
        add_changes(&server.db, count, 100).await;
        // While others read, it does not.
        let mut others = (token, 1);
        while others.1 <= count {
            let resume = json!({"resumeToken": others.0});
            let mut watched = admin.watch(transport, resume).await.unwrap();
            let (token, number, end) = read_in_order(&mut watched, others.1, count).await;
            assert!(end.is_none_or(|end| end == too_slow));
            others = (token.unwrap(), number);
        }
        // A new stream begins only after memory has been filled.
        drop(admin.watch_now(transport).await);
        let (token, number, end) = read_in_order(&mut slow, 1, count).await;
        assert_eq!(end, Some(too_slow.clone()));
        let resume = json!({"resumeToken": token.unwrap()});
        let mut again = admin.watch(transport, resume).await.unwrap();
        let (_, _, end) = read_in_order(&mut again, number, count).await;
        assert_eq!(end, None);
        let last = again.message().await;
        assert!(last["bookmark"].is_object(), "{last}");
    }
}

async fn a_stream_that_begins_far_back_has_everything(server: TestServer) {
    let admin = server.admin();
    let (watched, token) = admin.watch_now(Transport::Grpc).await;
    drop(watched);
    // More than a slice, and than memory holds.
    let count = 12_000;
    add_changes(&server.db, count, 0).await;
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
