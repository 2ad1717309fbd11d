//! Query plans of lists of change records, and of their purge: along an index, without sorting.

use oauth_clients::{
    domain::page::{Limit, PageRequest, Position, Start},
    store::PurgedTable,
};

use super::{BEGIN, Row, client_id, insert, list, page};
use crate::support::{Db, registry::Registry};

on_each_database![
    every_list_is_read_along_an_index,
    an_actor_and_a_type_of_few_records_are_looked_up,
    the_records_of_one_client_are_looked_up,
    a_purge_reads_the_oldest_rows_along_an_index,
];

/// Filters that select a good part of the records, each with the indexes along which they may be read.
const LISTS: [(Option<&str>, &[&str]); 9] = [
    (None, &["time_idx"]),
    (Some(r#"time ge "2023-11-14T22:20:00Z""#), &["time_idx"]),
    (
        Some(r#"time ge "2023-11-14T22:20:00Z" and time lt "2023-11-14T22:30:00Z""#),
        &["time_idx"],
    ),
    (Some(r#"time le "2023-11-14T22:30:00Z""#), &["time_idx"]),
    (Some(r#"type sw "secret.""#), &["time_idx"]),
    (Some(r#"actor ne "alice" and type ne "updated""#), &["time_idx"]),
    (Some(r#"type eq "updated""#), &["time_idx", "type_idx"]),
    (Some(r#"actor eq "alice""#), &["time_idx", "actor_idx"]),
    (
        Some(r#"actor eq "alice" and time gt "2023-11-14T22:20:00Z""#),
        &["time_idx", "actor_idx"],
    ),
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
    for (filter, indexes) in LISTS {
        let first = page(&registry, &list(filter), 20, Start::First).await;
        let last = first.items.last().unwrap();
        let starts = [
            Start::First,
            Start::After(first.next.clone().unwrap()),
            Start::Before(Position::next_to(last.key.clone())),
        ];
        for start in starts {
            let plan = plan(&registry, filter, start.clone()).await;
            let mut names = indexes.iter().map(|name| format!("oauth_client_changes_{name}"));
            assert!(
                names.any(|name| plan.contains(&name)),
                "{filter:?} {start:?}\n{plan}"
            );
            for waste in ["TEMP B-TREE", "SCAN oauth_client", "Sort", "Seq Scan"] {
                assert!(!plan.contains(waste), "{filter:?} {start:?}\n{plan}");
            }
        }
    }
}

async fn an_actor_and_a_type_of_few_records_are_looked_up(db: Db) {
    let registry = fill(&db).await;
    for (filter, index) in [
        (r#"actor eq "nobody""#, "actor_idx"),
        (
            r#"actor eq "nobody" and time ge "2023-11-14T22:20:00Z""#,
            "actor_idx",
        ),
        (r#"type eq "deleted""#, "type_idx"),
    ] {
        let plan = plan(&registry, Some(filter), Start::First).await;
        assert!(
            plan.contains(&format!("oauth_client_changes_{index}")),
            "{filter}\n{plan}"
        );
        for waste in ["TEMP B-TREE", "SCAN oauth_client", "Sort", "Seq Scan"] {
            assert!(!plan.contains(waste), "{filter}\n{plan}");
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
        assert!(!plan.contains("changes_time_idx"), "{filter}\n{plan}");
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
