//! Query plans of lists of change records, and of their purge: along an index, without sorting.

use oauth_clients::{
    domain::page::{Limit, PageRequest, Position, Start},
    store::PurgedTable,
};

use super::{BEGIN, Row, client_id, insert, list, page};
use crate::support::{Db, registry::Registry};

on_each_database![
    every_list_is_read_along_an_index,
    the_records_of_one_client_are_looked_up,
    a_purge_reads_the_oldest_rows_along_an_index,
];

/// Each filter that selects a good part of the records.
const LISTS: [Option<&str>; 8] = [
    None,
    Some(r#"time ge "2023-11-14T22:20:00Z""#),
    Some(r#"time ge "2023-11-14T22:20:00Z" and time lt "2023-11-14T22:30:00Z""#),
    Some(r#"time le "2023-11-14T22:30:00Z""#),
    Some(r#"type eq "updated""#),
    Some(r#"type sw "secret.""#),
    Some(r#"actor eq "alice" and time gt "2023-11-14T22:20:00Z""#),
    Some(r#"actor ne "alice" and type ne "updated""#),
];

async fn fill(db: &Db) -> Registry {
    let registry = Registry::open(db).await;
    let rows = |tenant: &'static str, count: usize| -> Vec<Row> {
        (0..count)
            .map(|index| Row {
                tenant,
                client_id: client_id(index % 500),
                revision: i64::try_from(index / 500).unwrap() + 1,
                kind: ["updated", "secret.created"][index % 2].to_owned(),
                time: BEGIN + i64::try_from(index / 2).unwrap() * 1_000_000,
                actor: ["alice", "bob", "carol"][index % 3].to_owned(),
            })
            .collect()
    };
    insert(db, &rows("acme", 5_000)).await;
    insert(db, &rows("other", 500)).await;
    registry.store.analyze().await.unwrap();
    registry
}

async fn plan(
    registry: &Registry,
    filter: Option<&str>,
    start: Start<oauth_clients::domain::change_list::ChangeKey>,
) -> String {
    let request = PageRequest {
        list: list(filter),
        limit: Limit::DEFAULT,
        start,
        count: false,
    };
    let lines = registry.store.explain_changes(&registry.tenant, &request);
    lines.await.unwrap().join("\n")
}

async fn every_list_is_read_along_an_index(db: Db) {
    let registry = fill(&db).await;
    for filter in LISTS {
        let first = page(&registry, &list(filter), 20, Start::First).await;
        let last = first.items.last().unwrap();
        let starts = [
            Start::First,
            Start::After(first.next.clone().unwrap()),
            Start::Before(Position::next_to(last.key.clone())),
        ];
        for start in starts {
            let plan = plan(&registry, filter, start.clone()).await;
            assert!(
                plan.contains("oauth_client_changes_tenant_time_idx"),
                "{filter:?} {start:?}\n{plan}"
            );
            for waste in ["TEMP B-TREE", "SCAN oauth_client", "Sort", "Seq Scan"] {
                assert!(!plan.contains(waste), "{filter:?} {start:?}\n{plan}");
            }
        }
    }
}

/// They are few, and sorted once they are found.
async fn the_records_of_one_client_are_looked_up(db: Db) {
    let registry = fill(&db).await;
    for filter in [
        format!("clientId eq \"{}\"", client_id(7)),
        format!("clientId eq \"{}\" and type eq \"updated\"", client_id(7)),
        format!(
            "clientId eq \"{}\" and time ge \"2023-11-14T22:20:00Z\"",
            client_id(7)
        ),
    ] {
        let plan = plan(&registry, Some(&filter), Start::First).await;
        let key = [
            "oauth_client_changes_pkey",
            "sqlite_autoindex_oauth_client_changes_1",
        ];
        assert!(key.iter().any(|key| plan.contains(key)), "{filter}\n{plan}");
        assert!(!plan.contains("tenant_time_idx"), "{filter}\n{plan}");
        assert!(!plan.contains("Seq Scan"), "{filter}\n{plan}");
    }
}

async fn a_purge_reads_the_oldest_rows_along_an_index(db: Db) {
    let registry = fill(&db).await;
    let digest = if db.is_sqlite() {
        "CAST(printf('%032d', n) AS BLOB)"
    } else {
        "convert_to(lpad(n::text, 32, '0'), 'UTF8')"
    };
    db.execute(&format!(
        "WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < 29999) \
         INSERT INTO used_assertions (tenant_id, client_id, jti_digest, expires_at) \
         SELECT 'acme', 'a', {digest}, n FROM numbers"
    ))
    .await;
    registry.store.analyze().await.unwrap();
    for (table, index) in [
        (PurgedTable::UsedAssertions, "used_assertions_expires_at_idx"),
        (PurgedTable::ChangeRecords, "oauth_client_changes_minute_idx"),
    ] {
        let plan = registry.store.explain_purge(table).await.unwrap().join("\n");
        assert!(plan.contains(index), "{plan}");
        for waste in ["TEMP B-TREE", "Seq Scan", "Sort"] {
            assert!(!plan.contains(waste), "{plan}");
        }
    }
}
