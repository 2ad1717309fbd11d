//! `ListOAuthClients`: invalid parameters and cursors.

use serde_json::json;

use crate::{
    list::create_many,
    support::{TestServer, Transport},
};

on_each_database![
    a_malformed_parameter_has_its_own_reason,
    a_damaged_cursor_is_refused,
    a_cursor_of_another_sort_is_refused,
    both_cursors_at_once_are_refused,
    all_malformed_parameters_are_reported_at_once,
    a_cursor_grants_nothing,
];

/// Returns the cursor of the second of two pages.
async fn next_cursor(server: &TestServer) -> String {
    create_many(&server.admin(), 2).await;
    let page = server
        .admin()
        .list(Transport::Grpc, json!({"limit": 1}))
        .await
        .unwrap();
    page["links"]["next"]["cursor"].as_str().unwrap().to_owned()
}

async fn a_malformed_parameter_has_its_own_reason(server: TestServer) {
    let cases = [
        ("limit=", "INVALID_LIMIT", "limit"),
        ("limit=ten", "INVALID_LIMIT", "limit"),
        ("limit=1.5", "INVALID_LIMIT", "limit"),
        ("limit=+1", "INVALID_LIMIT", "limit"),
        ("limit=99999999999", "INVALID_LIMIT", "limit"),
        ("limit", "INVALID_LIMIT", "limit"),
        ("sort=", "INVALID_SORT", "sort"),
        ("sort=color", "INVALID_SORT", "sort"),
        ("sort=-", "INVALID_SORT", "sort"),
        ("sort=createdAt,clientId", "INVALID_SORT", "sort"),
        ("next=", "INVALID_CURSOR", "next"),
        ("prev=", "INVALID_CURSOR", "prev"),
        ("totalResults=yes", "INVALID_FIELD", "totalResults"),
        ("totalResults=", "INVALID_FIELD", "totalResults"),
        ("limit=1&limit=1", "INVALID_FIELD", "limit"),
        (
            "totalResults=true&total_results=true",
            "INVALID_FIELD",
            "total_results",
        ),
        ("sort=%FF", "INVALID_FIELD", "sort"),
        ("sort=%2", "INVALID_FIELD", "sort"),
        ("sort=%zz", "INVALID_FIELD", "sort"),
        ("%FF=1", "INVALID_FIELD", "query"),
        ("page=2", "UNKNOWN_FIELD", "page"),
        ("Limit=1", "UNKNOWN_FIELD", "Limit"),
        ("=1", "UNKNOWN_FIELD", ""),
    ];
    for (query, code, field) in cases {
        let path = format!("/api/core/oauth-clients?{query}");
        let refused = server.admin().http_get(&path).await.refused();
        assert_eq!(refused.fields(), [(code, field)], "{query}");
    }
}

async fn a_damaged_cursor_is_refused(server: TestServer) {
    let cursor = next_cursor(&server).await;
    let mut changed = cursor.clone().into_bytes();
    changed[10] = if changed[10] == b'A' { b'B' } else { b'A' };
    let damaged = [
        "x".to_owned(),
        String::from_utf8(changed).unwrap(),
        cursor[..cursor.len() - 1].to_owned(),
        format!("{cursor}A"),
        format!("{cursor}="),
        "' OR 1=1 --".to_owned(),
        "A".repeat(8_000),
    ];
    for cursor in damaged {
        for parameter in ["next", "prev"] {
            for transport in Transport::BOTH {
                let refused = server
                    .admin()
                    .list(transport, json!({parameter: cursor}))
                    .await
                    .unwrap_err();
                assert_eq!(refused.fields(), [("INVALID_CURSOR", parameter)], "{cursor}");
            }
        }
    }
}

async fn a_cursor_of_another_sort_is_refused(server: TestServer) {
    let cursor = next_cursor(&server).await;
    for transport in Transport::BOTH {
        let refused = server
            .admin()
            .list(transport, json!({"next": cursor, "sort": "-updatedAt"}))
            .await;
        assert_eq!(refused.unwrap_err().fields(), [("INVALID_CURSOR", "next")]);
        let page = server
            .admin()
            .list(transport, json!({"next": cursor, "sort": "-createdAt"}))
            .await
            .unwrap();
        assert_eq!(
            page["data"].as_array().unwrap().len(),
            1,
            "the default said aloud is the same sort"
        );
    }
}

async fn both_cursors_at_once_are_refused(server: TestServer) {
    let cursor = next_cursor(&server).await;
    for transport in Transport::BOTH {
        let refused = server
            .admin()
            .list(transport, json!({"next": cursor, "prev": cursor}))
            .await
            .unwrap_err();
        assert_eq!(refused.codes(), ["INVALID_CURSOR"]);
    }
}

async fn all_malformed_parameters_are_reported_at_once(server: TestServer) {
    let path = "/api/core/oauth-clients?limit=x&page=1&totalResults=1&sort=%F0";
    let refused = server.admin().http_get(path).await.refused();
    assert_eq!(
        refused.fields(),
        [
            ("INVALID_LIMIT", "limit"),
            ("UNKNOWN_FIELD", "page"),
            ("INVALID_FIELD", "totalResults"),
            ("INVALID_FIELD", "sort")
        ]
    );
}

async fn a_cursor_grants_nothing(server: TestServer) {
    let cursor = next_cursor(&server).await;
    for parameter in ["next", "prev"] {
        for transport in Transport::BOTH {
            let page = server
                .admin_of("other")
                .list(transport, json!({parameter: cursor}))
                .await
                .unwrap();
            assert_eq!(page["data"], json!([]));
            assert_eq!(page["links"].as_object().unwrap().len(), 1);
        }
    }
}
