//! `ListOAuthClients`: walking a list page by page.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::{
    list::{create_many, ids},
    support::{Caller, Db, TestServer, Transport, samples::spa},
};

on_each_database![
    a_walk_visits_each_client_once_and_back_again,
    a_walk_is_not_disturbed_by_changes,
    clients_created_at_the_same_time_are_ordered_by_id,
];

/// Follows a link from page to page, and returns all pages. `between` runs after each.
async fn walk(
    caller: &Caller<'_>,
    transport: Transport,
    link: &str,
    mut page: Value,
    limit: usize,
    mut between: impl AsyncFnMut(usize),
) -> Vec<Value> {
    let mut pages = vec![page.clone()];
    while let Some(place) = page["links"].get(link) {
        between(pages.len()).await;
        let request = json!({"limit": limit, link: place["cursor"]});
        page = caller.list(transport, request).await.unwrap();
        pages.push(page.clone());
        assert!(pages.len() < 100, "the walk does not end");
    }
    pages
}

async fn a_walk_visits_each_client_once_and_back_again(server: TestServer) {
    let admin = server.admin();
    let all = create_many(&admin, 11).await;
    for transport in Transport::BOTH {
        for limit in [1, 3, 4, 11] {
            let first = admin.list(transport, json!({"limit": limit})).await.unwrap();
            let pages = walk(&admin, transport, "next", first, limit, async |_| {}).await;
            assert_eq!(
                pages.iter().flat_map(ids).collect::<Vec<_>>(),
                all,
                "pages of {limit}"
            );
            assert_eq!(pages.len(), all.len().div_ceil(limit));

            let last = pages.last().unwrap().clone();
            let mut back = walk(&admin, transport, "prev", last, limit, async |_| {}).await;
            back.reverse();
            let back: Vec<Vec<&str>> = back.iter().map(ids).collect();
            let forth: Vec<Vec<&str>> = pages.iter().map(ids).collect();
            assert_eq!(back, forth, "back along pages of {limit}");
        }
    }
}

async fn a_walk_is_not_disturbed_by_changes(server: TestServer) {
    let admin = server.admin();
    for transport in Transport::BOTH {
        let all = create_many(&admin, 12).await;
        let gone: HashSet<&str> = [2, 4, 5, 9].map(|n: usize| all[n].as_str()).into();
        let first = admin.list(transport, json!({"limit": 2})).await.unwrap();
        let disturb = async |page: usize| {
            // Deletes the last client of this page, where the walk continues, and one of the next page.
            let doomed: &[usize] = match page {
                1 => &[4],
                2 => &[2, 5],
                3 => &[9],
                _ => &[],
            };
            for n in doomed {
                admin.delete(transport, &all[*n], &all[*n]).await.unwrap();
            }
            admin.created(spa()).await;
            let rename = json!([{"op": "add", "path": "/clientName", "value": format!("renamed {page}")}]);
            admin.patch(transport, all.last().unwrap(), rename).await.unwrap();
        };
        let pages = walk(&admin, transport, "next", first, 2, disturb).await;
        let visited: Vec<&str> = pages.iter().flat_map(ids).collect();
        let once: HashSet<&str> = visited.iter().copied().collect();
        assert_eq!(once.len(), visited.len(), "no client twice: {visited:?}");
        let stayed: Vec<&str> = all
            .iter()
            .map(String::as_str)
            .filter(|id| !gone.contains(id))
            .collect();
        let seen: Vec<&str> = visited.into_iter().filter(|id| stayed.contains(id)).collect();
        assert_eq!(seen, stayed);
        for id in stayed {
            admin.delete(transport, id, id).await.unwrap();
        }
    }
}

async fn clients_created_at_the_same_time_are_ordered_by_id(db: Db) {
    let server = TestServer::start(db).await;
    let mut all = create_many(&server.admin(), 7).await;
    server
        .db
        .execute("UPDATE oauth_clients SET created_at = 1700000000000000")
        .await;
    all.sort_unstable();
    all.reverse();
    let first = server
        .admin()
        .list(Transport::Grpc, json!({"limit": 2}))
        .await
        .unwrap();
    let pages = walk(&server.admin(), Transport::Grpc, "next", first, 2, async |_| {}).await;
    assert_eq!(pages.iter().flat_map(ids).collect::<Vec<_>>(), all);
}
