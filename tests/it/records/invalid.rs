//! `ListOAuthClientChanges`: requests that are refused, and cursors of others.

use serde_json::{Value, json};

use crate::support::{
    TestServer, Transport,
    http::CHANGES,
    samples::{spa, web},
};

on_each_database![
    the_scope_is_oauth_clients_audit,
    a_tenant_never_sees_a_record_of_another,
    an_invalid_filter_is_refused_with_the_position,
    an_invalid_limit_is_refused,
    parameters_that_do_not_exist_are_refused,
    a_cursor_of_another_list_is_refused,
    a_damaged_cursor_is_refused,
    a_cursor_grants_nothing,
];

async fn the_scope_is_oauth_clients_audit(server: TestServer) {
    let others = "oauth-clients:read oauth-clients:write oauth-clients:authenticate";
    for transport in Transport::BOTH {
        let caller = server.caller(Some(server.token("acme", "auditor", others)));
        let refused = caller.list_changes(transport, json!({})).await.unwrap_err();
        assert_eq!(refused.codes(), ["SCOPE_MISSING"]);
        let auditor = server.caller(Some(server.token("acme", "auditor", "oauth-clients:audit")));
        auditor.list_changes(transport, json!({})).await.unwrap();
        let refused = auditor.list(transport, json!({})).await.unwrap_err();
        assert_eq!(refused.codes(), ["SCOPE_MISSING"]);
        let every = server.caller(Some(server.token("*", "auditor", "oauth-clients:audit")));
        let refused = every.list_changes(transport, json!({})).await.unwrap_err();
        assert_eq!(refused.codes(), ["SCOPE_MISSING"]);
        let refused = server.caller(None).list_changes(transport, json!({})).await;
        assert_eq!(refused.unwrap_err().codes(), ["TOKEN_MISSING"]);
    }
}

async fn a_tenant_never_sees_a_record_of_another(server: TestServer) {
    let id = server.admin().created(web()).await;
    server.admin().create_secret(Transport::Grpc, &id).await.unwrap();
    let own = server.admin_of("other").created(spa()).await;
    for tenant in ["other", "Acme", "acme ", "acm%", "' OR '1'='1"] {
        for transport in Transport::BOTH {
            for request in [
                json!({"totalResults": true}),
                json!({"totalResults": true, "filter": format!("clientId eq \"{id}\"")}),
                json!({"totalResults": true, "filter": "actor eq \"admin\" or type ne null"}),
            ] {
                let page = server.admin_of(tenant).list_changes(transport, request).await;
                let page = page.unwrap();
                let records = page["data"].as_array().unwrap();
                assert!(
                    records.iter().all(|record| record["clientId"] == own.as_str()),
                    "{page}"
                );
                assert!(tenant == "other" || records.is_empty(), "{tenant:?} {page}");
                assert_eq!(page["totalResults"], records.len(), "{tenant:?}");
            }
        }
    }
}

async fn an_invalid_filter_is_refused_with_the_position(server: TestServer) {
    let deep = "(".repeat(8_000);
    for transport in Transport::BOTH {
        for (filter, position) in [
            ("", 0),
            ("   ", 3),
            ("clientName eq \"a\"", 0),
            ("revision gt \"1\"", 0),
            ("clientId sw \"a\"", 9),
            ("clientId pr", 9),
            ("clientId ne \"a\"", 9),
            ("type co \"a\"", 5),
            ("actor gt \"a\"", 6),
            ("time eq \"2026-01-02T03:04:05Z\"", 5),
            ("time gt \"yesterday\"", 8),
            ("time gt 1767323045", 8),
            ("time gt null", 8),
            ("actor eq \"\\ud800\"", 10),
            (&deep, 128),
        ] {
            let request = json!({"filter": filter});
            let refused = server.admin().list_changes(transport, request).await.unwrap_err();
            assert_eq!(refused.fields(), [("INVALID_FILTER", "filter")], "{filter}");
            let (_, detail) = &refused.errors[0];
            assert!(
                detail.contains(&format!("at byte {position}:")),
                "{filter} {detail}"
            );
        }
    }
}

async fn an_invalid_limit_is_refused(server: TestServer) {
    for transport in Transport::BOTH {
        for limit in [0, -1, 101, i32::MIN, i32::MAX] {
            let refused = server
                .admin()
                .list_changes(transport, json!({"limit": limit}))
                .await
                .unwrap_err();
            assert_eq!(refused.fields(), [("INVALID_LIMIT", "limit")], "{limit}");
        }
    }
}

async fn parameters_that_do_not_exist_are_refused(server: TestServer) {
    for (query, code, field) in [
        ("sort=%2Btime", "UNKNOWN_FIELD", "sort"),
        ("page=1", "UNKNOWN_FIELD", "page"),
        ("limit=x", "INVALID_LIMIT", "limit"),
        ("totalResults=1", "INVALID_FIELD", "totalResults"),
        ("filter=%F0", "INVALID_FIELD", "filter"),
        ("limit=1&limit=2", "INVALID_FIELD", "limit"),
    ] {
        let refused = server
            .admin()
            .http_get(&format!("{CHANGES}?{query}"))
            .await
            .refused();
        assert_eq!(refused.fields(), [(code, field)], "{query}");
    }
}

/// Creates two clients, and returns the cursors of the next page of records, and of the next page of clients.
async fn cursors(server: &TestServer) -> [Value; 2] {
    let admin = server.admin();
    for _ in 0..2 {
        admin.created(spa()).await;
    }
    let changes = admin.list_changes(Transport::Grpc, json!({"limit": 1})).await;
    let clients = admin.list(Transport::Grpc, json!({"limit": 1})).await;
    [changes, clients].map(|page| page.unwrap()["links"]["next"]["cursor"].clone())
}

async fn a_cursor_of_another_list_is_refused(server: TestServer) {
    let [changes, clients] = cursors(&server).await;
    let admin = server.admin();
    for transport in Transport::BOTH {
        for (request, field) in [
            (json!({"next": clients}), "next"),
            (json!({"prev": clients}), "prev"),
            (json!({"next": changes, "filter": "actor eq \"admin\""}), "next"),
            (json!({"next": changes, "prev": changes}), "prev"),
        ] {
            let refused = admin.list_changes(transport, request.clone()).await;
            assert_eq!(
                refused.unwrap_err().fields(),
                [("INVALID_CURSOR", field)],
                "{request}"
            );
        }
        for sort in ["-createdAt", "-clientId", "+updatedAt", "+clientName", "-appType"] {
            let refused = admin
                .list(transport, json!({"next": changes, "sort": sort}))
                .await;
            assert_eq!(
                refused.unwrap_err().fields(),
                [("INVALID_CURSOR", "next")],
                "{sort}"
            );
        }
        admin
            .list_changes(transport, json!({"next": changes}))
            .await
            .unwrap();
    }
    let first = json!({"filter": "actor eq \"admin\"", "limit": 1});
    let page = admin.list_changes(Transport::Rest, first).await.unwrap();
    let same = json!({
        "filter": " ( ACTOR  Eq \"\\u0061dmin\" ) ", "next": page["links"]["next"]["cursor"],
    });
    admin.list_changes(Transport::Rest, same).await.unwrap();
}

async fn a_damaged_cursor_is_refused(server: TestServer) {
    let [cursor, _] = cursors(&server).await;
    let cursor = cursor.as_str().unwrap();
    let mut changed = cursor.to_owned().into_bytes();
    changed[20] = if changed[20] == b'A' { b'B' } else { b'A' };
    for damaged in [
        "x".to_owned(),
        String::from_utf8(changed).unwrap(),
        cursor[..cursor.len() - 1].to_owned(),
        format!("{cursor}="),
        "A".repeat(8_000),
    ] {
        for parameter in ["next", "prev"] {
            for transport in Transport::BOTH {
                let refused = server
                    .admin()
                    .list_changes(transport, json!({parameter: damaged}))
                    .await
                    .unwrap_err();
                assert_eq!(refused.fields(), [("INVALID_CURSOR", parameter)], "{damaged}");
            }
        }
    }
}

async fn a_cursor_grants_nothing(server: TestServer) {
    let [cursor, _] = cursors(&server).await;
    for parameter in ["next", "prev"] {
        for transport in Transport::BOTH {
            let page = server
                .admin_of("other")
                .list_changes(transport, json!({parameter: cursor}))
                .await
                .unwrap();
            assert_eq!(page["data"], json!([]));
            assert_eq!(page["links"].as_object().unwrap().len(), 1);
        }
    }
}
