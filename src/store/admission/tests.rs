use std::num::NonZeroU32;

use tempfile::TempDir;
use uuid::Uuid;

use super::*;
use crate::store::{Claim, DatabaseUrl, Store};

const SHORT: Duration = Duration::from_millis(50);
/// How much later than asked for a paused clock may be.
const TICKS: Duration = Duration::from_millis(5);

/// Returns a store on a SQLite file of its own, with two connections for reading.
async fn store() -> (TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let url = DatabaseUrl::sqlite_file(&dir.path().join("test.db"));
    let claim = Claim::acquire(&url, None).await.unwrap();
    let store = Store::connect(&url, NonZeroU32::new(2)).await.unwrap();
    store.migrate(&claim).await.unwrap();
    (dir, store.with_queue_time(SHORT))
}

#[test]
fn lists_have_a_quarter_of_the_connections_and_a_tenant_half_of_that() {
    for (connections, lists, of_tenant) in [
        (1, 1, 1),
        (4, 1, 1),
        (8, 2, 1),
        (16, 4, 2),
        (21, 5, 2),
        (64, 16, 8),
    ] {
        assert_eq!(part(connections, 4), lists, "{connections}");
        assert_eq!(part(lists, 2), of_tenant, "{connections}");
    }
}

#[tokio::test]
async fn a_read_whose_turn_does_not_come_in_time_is_refused() {
    let (_dir, store) = store().await;
    let id = ClientId::from_uuid(Uuid::from_u128(1));
    let first = store.admission.read().await.unwrap();
    let _second = store.admission.read().await.unwrap();
    let refused = store.find_client(&id).await.unwrap_err();
    assert!(
        matches!(refused, StoreError::Overloaded(Work::Read)),
        "{refused:?}"
    );
    assert_eq!(
        store.load(Work::Read),
        Load {
            in_flight: 2,
            waiting: 0
        }
    );
    drop(first);
    assert!(store.find_client(&id).await.unwrap().is_none());
}

#[tokio::test]
async fn lists_leave_reads_a_connection_and_one_more_is_refused() {
    let (_dir, store) = store().await;
    let (acme, other) = (
        TenantId::parse("acme").unwrap(),
        TenantId::parse("other").unwrap(),
    );
    let (turn, place) = store.admission.list(&acme).await.unwrap();
    for tenant in [&acme, &other] {
        let refused = store.admission.list(tenant).await.err().unwrap();
        assert!(
            matches!(refused, StoreError::Overloaded(Work::List)),
            "{refused:?}"
        );
    }
    drop(store.admission.read().await.unwrap());
    drop((turn, place));
    let _next = store.admission.list(&other).await.unwrap();
}

#[tokio::test]
async fn a_change_waits_longer_for_others_of_its_client_than_for_a_connection() {
    let (_dir, store) = store().await;
    let id = ClientId::from_uuid(Uuid::from_u128(1));
    tokio::time::pause();
    let turn = store.admission.change_of(&id).await.unwrap();
    let began = tokio::time::Instant::now();
    let refused = store.admission.change_of(&id).await.err().unwrap();
    assert!(
        matches!(refused, StoreError::Overloaded(Work::Change)),
        "{refused:?}"
    );
    assert!(began.elapsed().abs_diff(CHANGE_PATIENCE) < TICKS);
    let _place = store.admission.change().await.unwrap();
    let refused = store.admission.change().await.err().unwrap();
    assert!(
        matches!(refused, StoreError::Overloaded(Work::Change)),
        "{refused:?}"
    );
    assert!(began.elapsed().abs_diff(CHANGE_PATIENCE + SHORT) < TICKS);
    drop(turn);
    let _next = store.admission.change_of(&id).await.unwrap();
}

#[tokio::test]
async fn work_that_others_depend_on_goes_before_the_newest() {
    let (_dir, store) = store().await;
    let taken = [
        store.admission.read().await.unwrap(),
        store.admission.read().await.unwrap(),
    ];
    let first = store.reader();
    let newest = store.admission.read();
    let mut first = std::pin::pin!(first);
    assert!(futures_util::poll!(&mut first).is_pending());
    let mut newest = std::pin::pin!(newest);
    assert!(futures_util::poll!(&mut newest).is_pending());
    let [one, _other] = taken;
    drop(one);
    first.await.unwrap();
    drop(newest.await.unwrap());
}
