//! Query plans of lists: along an index, without sorting.

use oauth_clients::domain::page::{Limit, List, PageRequest, Position, Start};

use crate::support::{
    Db,
    registry::{Registry, list, tenant},
};

on_each_database![
    every_list_is_read_along_an_index,
    a_filter_for_one_client_uses_its_index_in_every_order,
];

/// Each list, and the index that it should use.
const LISTS: &[(&str, Option<&str>, &str)] = &[
    ("+clientId", None, "client_id_idx"),
    ("-clientId", None, "client_id_idx"),
    ("+clientName", None, "client_name_folded_idx"),
    ("-clientName", None, "client_name_folded_idx"),
    ("+appType", None, "app_type_idx"),
    ("-appType", None, "app_type_idx"),
    ("+createdAt", None, "created_at_idx"),
    ("-createdAt", None, "created_at_idx"),
    ("+updatedAt", None, "updated_at_idx"),
    ("-updatedAt", None, "updated_at_idx"),
    (
        "+clientName",
        Some(r#"clientName eq "name 7""#),
        "client_name_folded_idx",
    ),
    (
        "+clientName",
        Some(r#"clientName sw "name 7""#),
        "client_name_folded_idx",
    ),
    (
        "-clientName",
        Some(r#"clientName sw "name 7""#),
        "client_name_folded_idx",
    ),
    (
        "+clientName",
        Some(r#"clientName gt "name 7""#),
        "client_name_folded_idx",
    ),
    (
        "-clientName",
        Some(r#"clientName ge "name 7""#),
        "client_name_folded_idx",
    ),
    (
        "+clientName",
        Some(r#"clientName lt "name 7""#),
        "client_name_folded_idx",
    ),
    (
        "-clientName",
        Some(r#"clientName le "name 7""#),
        "client_name_folded_idx",
    ),
    ("+clientId", Some(r#"clientId sw "7""#), "client_id_idx"),
    ("-clientId", Some(r#"clientId gt "7""#), "client_id_idx"),
    ("+appType", Some(r#"appType eq "spa""#), "app_type_idx"),
    ("-createdAt", Some(r#"clientName co "7""#), "created_at_idx"),
    ("-createdAt", Some(r#"clientName ew "7""#), "created_at_idx"),
    (
        "+clientName",
        Some(r#"clientName co "7""#),
        "client_name_folded_idx",
    ),
];

async fn plan(registry: &Registry, list: &List, start: Start) -> String {
    let limit = Limit::DEFAULT;
    let request = PageRequest {
        list: list.clone(),
        limit,
        start,
        count: false,
    };
    registry
        .store
        .explain_page(&registry.tenant, &request)
        .await
        .unwrap()
        .join("\n")
}

/// Filters that match so few clients that these are looked up and sorted, whatever the order of the list.
const LOOKUPS: &[(&str, &str)] = &[
    (r#"clientName eq "name 7""#, "client_name_folded_idx"),
    (r#"clientId eq "7""#, "client_id"),
];

async fn a_filter_for_one_client_uses_its_index_in_every_order(db: Db) {
    let registry = Registry::open(&db).await;
    fill(&registry).await;
    for (filter, index) in LOOKUPS {
        for sort in ["-createdAt", "+updatedAt", "+appType", "-clientId"] {
            let plan = plan(&registry, &list(sort, Some(filter)), Start::First).await;
            let looked_up = plan.contains(&format!("oauth_clients_{index}"))
                || plan.contains("oauth_clients_pkey")
                || plan.contains("sqlite_autoindex_oauth_clients");
            assert!(
                looked_up && !plan.contains("created_at_idx") && !plan.contains("Seq Scan"),
                "{sort} {filter}\n{plan}"
            );
        }
    }
}

async fn fill(registry: &Registry) {
    let clients: Vec<(String, &str)> = (0..5_000)
        .map(|index| {
            (
                format!("name {}", index * 7_919 % 5_000),
                if index % 10 == 0 { "spa" } else { "web" },
            )
        })
        .collect();
    registry.fill(&registry.tenant, &clients).await;
    registry.fill(&tenant("other"), &clients[..500]).await;
    registry.store.analyze().await.unwrap();
}

async fn every_list_is_read_along_an_index(db: Db) {
    let registry = Registry::open(&db).await;
    fill(&registry).await;

    for (sort, filter, index) in LISTS {
        let list = list(sort, *filter);
        let first = registry.page(&list, 20, Start::First).await;
        let mut starts = vec![Start::First];
        starts.extend(first.next.map(Start::After));
        if let Some(last) = first.items.last() {
            starts.push(Start::Before(Position::next_to(list.key(&last.client))));
        }
        for start in starts {
            let plan = plan(&registry, &list, start.clone()).await;
            assert!(
                plan.contains(&format!("oauth_clients_{index}")),
                "{sort} {filter:?} {start:?}\n{plan}"
            );
            for waste in ["TEMP B-TREE", "SCAN oauth_clients", "Sort", "Seq Scan"] {
                assert!(!plan.contains(waste), "{sort} {filter:?} {start:?}\n{plan}");
            }
        }
    }
}
