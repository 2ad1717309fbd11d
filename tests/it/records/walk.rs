//! `ListOAuthClientChanges`: walking all records, as an export does, while clients are changed and old records are purged.

use std::{collections::BTreeSet, time::Duration};

use oauth_clients::store::{Cutoff, Store};
use serde_json::json;

use super::{Row, client_id, insert, names};
use crate::support::{Db, TestServer, Transport, samples::web};

on_each_database![
    a_walk_visits_each_record_once,
    a_walk_ends_where_old_records_are_purged
];

fn rows() -> Vec<Row> {
    (0..47)
        .map(|index| Row {
            tenant: "acme",
            client_id: client_id(index % 5),
            revision: i64::try_from(index).unwrap(),
            kind: "updated".to_owned(),
            time: i64::try_from(index / 4).unwrap(),
            actor: "alice".to_owned(),
        })
        .collect()
}

async fn a_walk_visits_each_record_once(server: TestServer) {
    let admin = server.admin();
    for transport in Transport::BOTH {
        server.db.execute("DELETE FROM oauth_client_changes").await;
        insert(&server.db, &rows()).await;
        let mut expected: Vec<(i64, String, i64)> = rows()
            .into_iter()
            .map(|row| (row.time, row.client_id, row.revision))
            .collect();
        expected.sort_unstable();
        expected.reverse();
        for limit in [1, 4, 7, 100] {
            let mut visited = Vec::new();
            let mut request = json!({"limit": limit, "filter": "time lt \"1970-01-02T00:00:00Z\""});
            let mut back = Vec::new();
            loop {
                let page = admin.list_changes(transport, request.clone()).await.unwrap();
                visited.extend(
                    names(&page)
                        .into_iter()
                        .map(|(id, revision)| (id.to_owned(), revision)),
                );
                // Changes that are made meanwhile come before the first page.
                let id = admin.created(web()).await;
                admin.create_secret(Transport::Grpc, &id).await.unwrap();
                match &page["links"]["next"]["cursor"] {
                    cursor if cursor.is_string() => {
                        request["next"] = cursor.clone();
                        back.push(page["links"]["self"].clone());
                    }
                    _ => break,
                }
            }
            let found: Vec<(&str, i64)> = visited.iter().map(|(id, n)| (id.as_str(), *n)).collect();
            let wanted: Vec<(&str, i64)> = expected.iter().map(|(_, id, n)| (id.as_str(), *n)).collect();
            assert_eq!(found, wanted, "pages of {limit}");
            assert_eq!(back.len() + 1, 47_usize.div_ceil(limit));
        }
    }
}

async fn a_walk_ends_where_old_records_are_purged(db: Db) {
    let server = TestServer::start(db).await;
    let admin = server.admin();
    // Those of the server itself are young.
    let mut young = BTreeSet::new();
    for _ in 0..5 {
        young.insert(admin.created(web()).await);
    }
    insert(&server.db, &rows()).await;
    let first = json!({"limit": 7});
    let page = admin.list_changes(Transport::Rest, first).await.unwrap();
    assert_eq!(names(&page).len(), 7);
    let store = Store::connect(&server.db.url(), None).await.unwrap();
    let purged = store
        .purge(Cutoff::change_records(Duration::from_hours(24)))
        .await;
    assert!(purged.unwrap() <= 47);
    let request = json!({"limit": 7, "next": page["links"]["next"]["cursor"]});
    let next = admin.list_changes(Transport::Rest, request).await.unwrap();
    assert_eq!(next["data"], json!([]));
    let request = json!({"limit": 7, "prev": next["links"]["prev"]["cursor"]});
    let back = admin.list_changes(Transport::Rest, request).await.unwrap();
    let found: BTreeSet<String> = names(&back).into_iter().map(|(id, _)| id.to_owned()).collect();
    assert_eq!(found, young);
}
