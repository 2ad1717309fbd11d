//! A watch that ends, or panics and is restarted.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::FutureExt as _;
use sea_orm::sqlx::{self, AssertSqlSafe};
use tracing::{Event, Level, Subscriber, subscriber::DefaultGuard};
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt as _},
};

use super::{
    DatabaseUrl, Store, StoreError, Watch,
    looks::{World, actor, client, id, open, tenant},
};
use crate::supervise::{Task, supervised};

/// A log that panics at the first warning of a watch, and so makes the watch panic.
#[derive(Default, Clone)]
struct PanicOnce(Arc<AtomicBool>);

impl PanicOnce {
    fn install(&self) -> DefaultGuard {
        tracing::subscriber::set_default(tracing_subscriber::registry().with(self.clone()))
    }

    async fn has_panicked(&self) {
        let panicked = async {
            while !self.0.load(Ordering::Relaxed) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), panicked)
            .await
            .unwrap();
    }
}

impl<S: Subscriber> Layer<S> for PanicOnce {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        if metadata.target().ends_with("watch") && *metadata.level() == Level::WARN {
            assert!(self.0.swap(true, Ordering::Relaxed), "the log panics once");
        }
    }
}

async fn run(watch: Watch) {
    supervised(Task::MemoryWatch, watch, |watch| watch.run().boxed()).await;
}

/// Reads until memory answers.
async fn remembers(store: &Store) {
    let read = async {
        while store.remembered(&id(1)).await.is_none() {
            store.get_client(&tenant(), &id(1)).await.unwrap();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), read).await.unwrap();
}

#[tokio::test]
async fn reads_do_not_wait_for_a_watch_that_has_ended() {
    let Some(world) = World::new().await else { return };
    let (store, watch) = world.store.clone().with_cache(1 << 20).await.unwrap();
    let watching = tokio::spawn(run(watch));
    store
        .insert_client(&tenant(), &client(), &actor().into())
        .await
        .unwrap();
    remembers(&store).await;
    watching.abort();
    watching.await.unwrap_err();
    // The last look counts no more.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let began = Instant::now();
    for _ in 0..20 {
        assert!(store.remembered(&id(1)).await.is_none());
    }
    // Twenty reads that wait take ten seconds.
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    world.drop().await;
}

#[tokio::test]
async fn memory_answers_again_after_the_watch_panicked() {
    let Some(world) = World::new().await else { return };
    let log = PanicOnce::default();
    let _installed = log.install();
    let (store, watch) = world.store.clone().with_cache(1 << 20).await.unwrap();
    let watching = tokio::spawn(run(watch));
    store
        .insert_client(&tenant(), &client(), &actor().into())
        .await
        .unwrap();
    remembers(&store).await;
    let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let mut admin = world.connect().await;
    sqlx::raw_sql(AssertSqlSafe(kill))
        .execute(&mut admin)
        .await
        .unwrap();
    log.has_panicked().await;
    remembers(&store).await;
    watching.abort();
    drop(admin);
    world.drop().await;
}

#[tokio::test]
async fn on_sqlite_an_unknown_outcome_is_settled_after_the_watch_panicked() {
    let dir = tempfile::tempdir().unwrap();
    let log = PanicOnce::default();
    let _installed = log.install();
    let store = open(&DatabaseUrl::sqlite_file(&dir.path().join("test.db"))).await;
    let (store, watch) = store.with_cache(1 << 20).await.unwrap();
    let watching = tokio::spawn(run(watch));
    store
        .insert_client(&tenant(), &client(), &actor().into())
        .await
        .unwrap();
    remembers(&store).await;
    // Held for longer than the watch waits for it.
    let abandoned = store.begin_write(store.writer().await.unwrap()).await.unwrap();
    store.cache.changed(&id(2), false);
    log.has_panicked().await;
    abandoned.end(Ok::<_, StoreError>(())).await.unwrap();
    remembers(&store).await;
    watching.abort();
}
