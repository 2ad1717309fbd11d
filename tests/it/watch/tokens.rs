//! Resume tokens that continue a stream, and those that do not.

use std::time::Duration;

use serde_json::json;

use crate::support::{
    Db, TestServer, Transport, process,
    samples::spa,
    watching::{WATCH, token_of},
};

on_each_database![
    a_token_is_of_its_tenant_its_clients_and_its_database,
    a_token_survives_a_restart,
    a_token_expires_when_the_database_is_restored,
    a_token_expires_before_the_records_after_it_are_purged,
    a_request_that_breaks_a_rule_is_refused,
];

async fn a_token_is_of_its_tenant_its_clients_and_its_database(server: TestServer) {
    let admin = server.admin();
    let another = TestServer::start(server.db.another().await).await;
    let id = admin.created(spa()).await;
    for transport in Transport::BOTH {
        let (_, token) = admin.watch_now(transport).await;
        let resume = json!({"resumeToken": token});
        let refused = server
            .admin_of("other")
            .watch_refused(transport, resume.clone())
            .await;
        assert_eq!(refused.codes(), ["RESUME_TOKEN_EXPIRED"]);
        let refused = server
            .admin_of("*")
            .watch_refused(transport, resume.clone())
            .await;
        assert_eq!(refused.codes(), ["RESUME_TOKEN_EXPIRED"]);
        let refused = another.admin().watch_refused(transport, resume.clone()).await;
        assert_eq!(refused.codes(), ["RESUME_TOKEN_EXPIRED"]);
        let others = json!({"resumeToken": token, "clientIds": [id]});
        let refused = admin.watch_refused(transport, others).await;
        assert_eq!(refused.fields(), [("INVALID_CURSOR", "resumeToken")]);
        for damaged in ["x", &token[1..], &format!("{token}A"), &format!("A{token}"), "ä"] {
            let refused = admin
                .watch_refused(transport, json!({"resumeToken": damaged}))
                .await;
            assert_eq!(refused.fields(), [("INVALID_CURSOR", "resumeToken")], "{damaged}");
        }
        // The last character may have bits that count for nothing.
        let mut altered = token.clone().into_bytes();
        let at = altered.len() - 2;
        altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
        let altered = String::from_utf8(altered).unwrap();
        let refused = admin
            .watch_refused(transport, json!({"resumeToken": altered}))
            .await;
        assert_eq!(refused.codes(), ["INVALID_CURSOR"]);
        admin.watch(transport, resume).await.unwrap().message().await;
    }
}

async fn a_token_survives_a_restart(server: TestServer) {
    let (_, token) = server.admin().watch_now(Transport::Grpc).await;
    let id = server.admin().created(spa()).await;
    let server = TestServer::start(server.stop().await).await;
    for transport in Transport::BOTH {
        let resume = json!({"resumeToken": token});
        let mut watched = server.admin().watch(transport, resume).await.unwrap();
        assert_eq!(watched.event().await["change"]["change"]["clientId"], *id);
    }
}

async fn a_token_expires_when_the_database_is_restored(server: TestServer) {
    let (mut watched, token) = server.admin().watch_now(Transport::Grpc).await;
    let other = "UPDATE oauth_client_settings SET value = 'another' WHERE name = 'incarnation'";
    server.db.execute(other).await;
    let (_, end) = watched.end().await;
    assert_eq!(
        end,
        crate::support::watching::Said::Failed("RESUME_TOKEN_EXPIRED".to_owned())
    );
    let db = server.stop().await;
    let renew = process::run(&["migrate", "renew-incarnation", "--database-url", db.text()]).await;
    assert_eq!(renew.code, Some(0), "{renew:?}");
    let server = TestServer::start(db).await;
    for transport in Transport::BOTH {
        let resume = json!({"resumeToken": token});
        let refused = server.admin().watch_refused(transport, resume).await;
        assert_eq!(refused.codes(), ["RESUME_TOKEN_EXPIRED"]);
        let (_, token) = server.admin().watch_now(transport).await;
        let resume = json!({"resumeToken": token});
        server.admin().watch(transport, resume).await.unwrap();
    }
}

async fn a_token_expires_before_the_records_after_it_are_purged(db: Db) {
    let retention = Duration::from_hours(24);
    let server = TestServer::start_with(db, |config| config.change_retention = retention).await;
    let (_, token) = server.admin().watch_now(Transport::Grpc).await;
    let resume = json!({"resumeToken": token});
    server.admin().watch(Transport::Grpc, resume).await.unwrap();

    // A token of now is older than records that are kept for no longer than the margin.
    let db = server.stop().await;
    let margin = Duration::from_mins(1);
    let server = TestServer::start_with(db, |config| config.change_retention = margin).await;
    for transport in Transport::BOTH {
        let resume = json!({"resumeToken": token});
        let refused = server.admin().watch_refused(transport, resume).await;
        assert_eq!(refused.codes(), ["RESUME_TOKEN_EXPIRED"]);
    }
    let gone = server
        .admin()
        .http_get(&format!("{WATCH}?resumeToken={token}"))
        .await;
    assert_eq!(gone.status, 410);
}

async fn a_request_that_breaks_a_rule_is_refused(server: TestServer) {
    let admin = server.admin();
    let id = admin.created(spa()).await;
    let (_, token) = admin.watch_now(Transport::Grpc).await;
    for transport in Transport::BOTH {
        let both = json!({"resumeToken": token, "sendInitial": true});
        let refused = admin.watch_refused(transport, both).await;
        assert_eq!(refused.fields(), [("INVALID_FIELD", "sendInitial")]);
        let many = json!({"clientIds": vec![id.as_str(); 101]});
        let refused = admin.watch_refused(transport, many).await;
        assert_eq!(refused.fields(), [("INVALID_FIELD", "clientIds")]);
        let malformed = json!({"clientIds": [id, "x"]});
        let refused = admin.watch_refused(transport, malformed).await;
        assert_eq!(refused.fields(), [("INVALID_FIELD", "clientIds[1]")]);
        let reader = server.caller(Some(server.token("acme", "reader", "oauth-clients:read")));
        let refused = reader.watch_refused(transport, json!({})).await;
        assert_eq!(refused.codes(), ["SCOPE_MISSING"]);
        let most = json!({"clientIds": vec![id.as_str(); 100]});
        token_of(&admin.watch(transport, most).await.unwrap().message().await);
    }
    for query in ["sendInitial=maybe", "sendInitial=true&sendInitial=true"] {
        let refused = admin.http_get(&format!("{WATCH}?{query}")).await.refused();
        assert_eq!(refused.codes(), ["INVALID_FIELD"], "{query}");
    }
    let unknown = admin.http_get(&format!("{WATCH}?limit=1")).await.refused();
    assert_eq!(unknown.codes(), ["UNKNOWN_FIELD"]);
}
