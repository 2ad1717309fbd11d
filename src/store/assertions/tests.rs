use std::{collections::BTreeSet, fs, path::Path, time::Duration};

use futures_util::future::join_all;
use sea_orm::{ConnectionTrait as _, Statement};
use tempfile::TempDir;
use uuid::Uuid;

use super::*;
use crate::{
    domain::timestamp::Timestamp,
    store::{Claim, DatabaseUrl},
};

/// The end of an assertion that no clock is near.
const FAR: i64 = 4_000_000_000_000_000;

/// A store on a SQLite file of its own.
struct World {
    dir: TempDir,
    store: Store,
}

impl World {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let url = DatabaseUrl::sqlite_file(&dir.path().join("test.db"));
        let claim = Claim::acquire(&url, None).await.unwrap();
        let store = Store::connect(&url, None).await.unwrap();
        store.migrate(&claim).await.unwrap();
        Self { dir, store }
    }

    async fn use_one(&self, digest: u8, end: i64) -> Result<AssertionUse, StoreError> {
        let tenant = TenantId::parse("acme").unwrap();
        let client = ClientId::from_uuid(Uuid::from_u128(1));
        let assertion = UsedAssertion {
            digest: [digest; 32],
            expires_at: Timestamp::from_micros(end),
        };
        self.store.use_assertion(&tenant, &client, &assertion).await
    }

    /// Has uses wait for the writer until all of them have arrived.
    async fn use_together(&self, uses: &[(u8, i64)]) -> Vec<Result<AssertionUse, StoreError>> {
        let writer = self.store.writer().await.unwrap();
        let uses = join_all(uses.iter().map(|(digest, end)| self.use_one(*digest, *end)));
        let release = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            drop(writer);
        };
        tokio::join!(uses, release).0
    }

    async fn recorded(&self) -> BTreeSet<u8> {
        let reader = self.store.reader().await.unwrap();
        let query = "SELECT jti_digest FROM used_assertions";
        let query = Statement::from_string(self.store.dialect.backend, query);
        let rows = reader.query_all_raw(query).await.unwrap();
        let digests = rows.iter().map(|row| row.try_get_by_index(0).unwrap());
        digests.map(|digest: Vec<u8>| digest[0]).collect()
    }
}

/// Counts the transactions in the log of a SQLite database: the frames that end one have a size of the database (SQLite,
/// "Database File Format", section 4.1).
fn transactions(dir: &Path) -> usize {
    let log = fs::read(dir.join("test.db-wal")).unwrap();
    let page = u32::from_be_bytes(log[8..12].try_into().unwrap()) as usize;
    let frames = log[32..].chunks_exact(24 + page);
    frames.filter(|frame| frame[4..8] != [0; 4]).count()
}

#[tokio::test]
async fn uses_that_arrive_while_others_are_recorded_share_one_transaction() {
    let world = World::new().await;
    let before = transactions(world.dir.path());
    let uses: Vec<(u8, i64)> = (0..200).map(|digest| (digest, FAR)).collect();
    let outcomes = world.use_together(&uses).await;
    assert!(
        outcomes
            .iter()
            .all(|outcome| matches!(outcome, Ok(AssertionUse::First)))
    );
    assert_eq!(world.recorded().await.len(), 200);
    assert_eq!(transactions(world.dir.path()) - before, 1);
}

#[tokio::test]
async fn of_equal_uses_in_a_group_one_is_the_first() {
    let world = World::new().await;
    world.use_one(3, FAR).await.unwrap();
    let uses = [(2, FAR), (1, FAR), (3, FAR), (1, FAR), (2, FAR), (1, FAR)];
    let outcomes = world.use_together(&uses).await;
    let of = |digest| {
        let outcomes = uses
            .iter()
            .zip(&outcomes)
            .filter(move |(used, _)| used.0 == digest);
        let mut outcomes: Vec<_> = outcomes.map(|(_, outcome)| *outcome.as_ref().unwrap()).collect();
        outcomes.sort_by_key(|outcome| *outcome != AssertionUse::First);
        outcomes
    };
    assert_eq!(
        of(1),
        [AssertionUse::First, AssertionUse::Replay, AssertionUse::Replay]
    );
    assert_eq!(of(2), [AssertionUse::First, AssertionUse::Replay]);
    assert_eq!(of(3), [AssertionUse::Replay]);
}

#[tokio::test]
async fn an_end_that_is_too_old_does_not_refuse_the_same_key_with_a_later_end() {
    let world = World::new().await;
    let outcomes = world.use_together(&[(1, 0), (1, FAR), (2, 0), (2, 1)]).await;
    let outcomes: Vec<_> = outcomes.into_iter().map(Result::unwrap).collect();
    assert_eq!(
        outcomes,
        [
            AssertionUse::Replay,
            AssertionUse::First,
            AssertionUse::TooOld,
            AssertionUse::TooOld,
        ]
    );
    assert_eq!(world.recorded().await, BTreeSet::from([1]));
}

#[tokio::test]
async fn a_use_that_is_given_up_while_it_waits_is_not_recorded_and_delays_no_other() {
    let world = World::new().await;
    let writer = world.store.writer().await.unwrap();
    let given_up = tokio::time::timeout(Duration::from_millis(20), world.use_one(1, FAR));
    let release = async {
        tokio::time::sleep(Duration::from_millis(60)).await;
        drop(writer);
    };
    let (given_up, other, ()) = tokio::join!(given_up, world.use_one(2, FAR), release);
    assert!(given_up.is_err());
    assert_eq!(other.unwrap(), AssertionUse::First);
    assert_eq!(world.recorded().await, BTreeSet::from([2]));
    assert_eq!(world.use_one(1, FAR).await.unwrap(), AssertionUse::First);
}

#[tokio::test]
async fn an_error_of_the_database_reaches_every_use_of_the_group_and_no_later_one() {
    let world = World::new().await;
    let trap = "CREATE TRIGGER trap BEFORE INSERT ON used_assertions WHEN substr(new.jti_digest, 1, 1) = x'02' \
                BEGIN SELECT RAISE(ABORT, 'trap'); END";
    let writer = world.store.writer().await.unwrap();
    writer.execute_unprepared(trap).await.unwrap();
    drop(writer);
    let outcomes = world.use_together(&[(1, FAR), (2, FAR), (3, FAR)]).await;
    assert!(
        outcomes
            .iter()
            .all(|outcome| matches!(outcome, Err(StoreError::Database(_)))),
        "{outcomes:?}"
    );
    assert_eq!(world.recorded().await, BTreeSet::new());
    assert_eq!(world.use_one(1, FAR).await.unwrap(), AssertionUse::First);
}

#[tokio::test]
async fn a_use_waits_no_longer_than_a_request_waits_for_a_connection() {
    let world = World::new().await;
    let writer = world.store.writer().await.unwrap();
    tokio::time::pause();
    let began = tokio::time::Instant::now();
    let outcomes = join_all([world.use_one(1, FAR), world.use_one(2, FAR)]).await;
    assert!(
        outcomes
            .iter()
            .all(|outcome| matches!(outcome, Err(StoreError::Unavailable(_)))),
        "{outcomes:?}"
    );
    assert!(began.elapsed() <= TIMEOUT, "{:?}", began.elapsed());
    tokio::time::resume();
    drop(writer);
    assert_eq!(world.use_one(1, FAR).await.unwrap(), AssertionUse::First);
}

#[tokio::test]
async fn no_use_is_recorded_after_the_store_is_closed() {
    let world = World::new().await;
    let other = world.store.clone();
    other.close().await;
    let outcome = world.use_one(1, FAR).await;
    assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{outcome:?}");
}
