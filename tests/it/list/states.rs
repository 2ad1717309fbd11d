//! Lists while clients are changed: a page shows one state of all of its clients.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use oauth_clients::{
    domain::{change_type::ChangeType, client::Client, ids::ClientId, page::Start, timestamp::Timestamp},
    store::{Page, StoredClient},
};

use crate::support::{
    Db,
    registry::{Registry, actor, list},
};

on_each_database![
    a_page_shows_one_state,
    a_page_from_memory_shows_one_state,
    a_client_in_memory_counts_only_in_the_listed_version,
];

/// The bytes of memory that the clients fit into.
const MEMORY: u64 = 1 << 20;
/// The time for which pages are read.
const READING: Duration = Duration::from_secs(1);

async fn a_page_shows_one_state(db: Db) {
    read_while_clients_are_changed(&Registry::open(&db).await).await;
}

async fn a_page_from_memory_shows_one_state(db: Db) {
    let registry = Registry::open(&db).await;
    let (store, mut watch) = registry.store.with_cache(MEMORY).await.unwrap();
    let watch = tokio::spawn(async move { watch.run().await });
    read_while_clients_are_changed(&Registry { store, ..registry }).await;
    watch.abort();
}

/// The change goes past the memory, as one that is not acknowledged yet.
async fn a_client_in_memory_counts_only_in_the_listed_version(db: Db) {
    let changing = Registry::open(&db).await;
    let (store, mut watch) = Registry::open(&db).await.store.with_cache(MEMORY).await.unwrap();
    let watch = tokio::spawn(async move { watch.run().await });
    let tenant = changing.tenant.clone();
    let remembering = Registry { store, tenant };
    let clients = changing.fill(&changing.tenant, &[("a".to_owned(), "spa")]).await;
    let list = list("+createdAt", None);
    for count in 1..=3 {
        for _ in 0..2 {
            remembering.page(&list, 1, Start::First).await;
        }
        count_change(&changing, &clients[0].id, count).await;
        let page = remembering.page(&list, 1, Start::First).await;
        assert_eq!(count_of(&page, &clients[0].id), count);
    }
    watch.abort();
}

/// Reads pages of two clients while one is changed after the other, by turns: the second is never ahead of the first, nor
/// behind by more than one change. Each page is in the order of what it shows.
async fn read_while_clients_are_changed(registry: &Registry) {
    let create = [("a".to_owned(), "spa"), ("b".to_owned(), "spa")];
    let mut clients = registry.fill(&registry.tenant, &create).await;
    // A change of the first then changes the order.
    clients.sort_by(|a, b| a.id.cmp(&b.id));
    for client in &clients {
        count_change(registry, &client.id, 0).await;
    }
    let stop = AtomicBool::new(false);
    let change = async {
        for count in 1_i64.. {
            for client in &clients {
                count_change(registry, &client.id, count).await;
            }
            if stop.load(Ordering::Relaxed) {
                return count;
            }
        }
        unreachable!()
    };
    let read = async {
        let list = list("+updatedAt", None);
        let started = Instant::now();
        while started.elapsed() < READING {
            let page = registry.page(&list, 2, Start::First).await;
            let order = |client: &Arc<StoredClient>| (client.client.updated_at, client.id().clone());
            assert!(page.items.is_sorted_by_key(order), "{page:?}");
            let counts = clients.iter().map(|client| count_of(&page, &client.id));
            let [first, second] = counts.collect::<Vec<_>>().try_into().unwrap();
            assert!((second..=second + 1).contains(&first), "{first} {second}");
        }
        stop.store(true, Ordering::Relaxed);
    };
    let (changes, ()) = tokio::join!(change, read);
    assert!(changes > 1);
}

/// Changes the last time of a client to a count.
async fn count_change(registry: &Registry, id: &ClientId, count: i64) {
    let set = move |client: &mut Client| {
        client.revision = client.revision.next();
        client.updated_at = Timestamp::from_micros(count);
        Ok::<(), ()>(())
    };
    let author = actor().into();
    let changed = registry
        .store
        .update_client(&registry.tenant, id, ChangeType::Updated, &author, set);
    changed.await.unwrap();
}

fn count_of(page: &Page, id: &ClientId) -> i64 {
    let client = page.items.iter().find(|client| client.id() == id).unwrap();
    client.client.updated_at.as_micros()
}
