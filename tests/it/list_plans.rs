//! How the databases read lists: along an index, without sorting.

use oauth_clients::domain::page::{Limit, List, PageRequest, Start};

use crate::support::{
    Db,
    registry::{Registry, list, tenant},
};

on_each_database![every_list_is_read_along_an_index];

/// Each list, and the index along which it should be read.
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

async fn every_list_is_read_along_an_index(db: Db) {
    let registry = Registry::open(&db).await;
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

    for (sort, filter, index) in LISTS {
        let list = list(sort, *filter);
        let first = registry.page(&list, 20, Start::First).await;
        let mut starts = vec![Start::First];
        starts.extend(first.next.map(Start::After));
        if let Some(last) = first.clients.last() {
            starts.push(Start::Before(list.position(last)));
        }
        for start in starts {
            let plan = plan(&registry, &list, start.clone()).await;
            assert!(
                plan.contains(&format!("oauth_clients_{index}")),
                "{sort} {filter:?} {start:?}\n{plan}"
            );
            for waste in ["TEMP B-TREE", "SCAN ", "Sort", "Seq Scan"] {
                assert!(!plan.contains(waste), "{sort} {filter:?} {start:?}\n{plan}");
            }
        }
    }
}
