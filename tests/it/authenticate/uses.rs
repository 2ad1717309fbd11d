//! Recording the uses of assertions, many at once, on one server and on two.

use std::collections::HashMap;

use futures_util::future::join_all;
use oauth_clients::{
    domain::{assertion::UsedAssertion, ids::ClientId, timestamp::Timestamp},
    store::AssertionUse,
};
use proptest::{
    collection::vec,
    prelude::*,
    strategy::ValueTree as _,
    test_runner::{Config, TestRunner},
};
use serde_json::json;
use uuid::Uuid;

use crate::support::{Db, registry::Registry};

on_each_database![
    each_of_many_concurrent_assertions_is_the_first_once,
    uses_that_arrive_together_share_a_transaction,
    a_replay_is_told_from_an_old_assertion_along_the_primary_key,
];

/// Uses with many duplicates, in random order, on two servers, which are one on SQLite.
async fn each_of_many_concurrent_assertions_is_the_first_once(db: Db) {
    let registry = Registry::open(&db).await;
    let other = if db.is_sqlite() {
        registry.store.clone()
    } else {
        Registry::open(&db).await.store
    };
    let uses = vec((0..4_u128, 0..60_u8, any::<bool>()), 1..600);
    let mut runner = TestRunner::new(Config::default());
    for round in 0..20 {
        let uses = uses.new_tree(&mut runner).unwrap().current();
        let outcomes = uses.iter().map(|(client, id, there)| {
            let store = if *there { &other } else { &registry.store };
            let (tenant, client) = (&registry.tenant, ClientId::from_uuid(Uuid::from_u128(*client)));
            let assertion = assertion(round, *id);
            async move { store.use_assertion(tenant, &client, &assertion).await.unwrap() }
        });
        let outcomes = join_all(outcomes).await;
        let mut firsts: HashMap<(u128, u8), usize> = HashMap::new();
        for ((client, id, _), outcome) in uses.iter().zip(outcomes) {
            assert_ne!(outcome, AssertionUse::TooOld);
            *firsts.entry((*client, *id)).or_default() += usize::from(outcome == AssertionUse::First);
        }
        assert!(firsts.values().all(|count| *count == 1), "{firsts:?}");
    }
}

/// Returns an assertion that no clock finds too old.
fn assertion(round: u8, id: u8) -> UsedAssertion {
    let mut digest = [0; 32];
    digest[..2].copy_from_slice(&[round, id]);
    UsedAssertion {
        digest,
        expires_at: Timestamp::from_seconds(4e9),
    }
}

async fn uses_that_arrive_together_share_a_transaction(db: Db) {
    let registry = Registry::open(&db).await;
    let client = ClientId::from_uuid(Uuid::from_u128(1));
    let uses = (0..200).map(|id| {
        let (registry, client, assertion) = (&registry, &client, assertion(0, id));
        async move {
            let used = registry.store.use_assertion(&registry.tenant, client, &assertion);
            assert_eq!(used.await.unwrap(), AssertionUse::First);
        }
    });
    join_all(uses).await;
    assert_eq!(db.number("SELECT count(*) FROM used_assertions").await, 200);
    if !db.is_sqlite() {
        // The transaction that inserted a row.
        let transactions = "SELECT count(DISTINCT xmin::text) FROM used_assertions";
        let transactions = db.number(transactions).await;
        assert!(transactions < 20, "{transactions}");
    }
}

/// The query for the uses that were not inserted, with a JSON text for its parameter.
fn query_for_used(db: &Db) -> String {
    let uses = json!([["acme", "0".repeat(32), "00".repeat(32), 0]]);
    let sent = if db.is_sqlite() {
        format!(
            "SELECT value ->> 0 AS tenant_id, value ->> 1 AS client_id, unhex(value ->> 2) AS jti_digest \
             FROM json_each('{uses}')"
        )
    } else {
        format!(
            "SELECT value ->> 0 AS tenant_id, value ->> 1 AS client_id, decode(value ->> 2, 'hex') AS jti_digest \
             FROM json_array_elements(CAST('{uses}' AS json))"
        )
    };
    format!(
        "SELECT used.tenant_id, used.client_id, used.jti_digest FROM ({sent}) AS sent \
         CROSS JOIN used_assertions AS used \
         WHERE used.tenant_id = sent.tenant_id AND used.client_id = sent.client_id \
         AND used.jti_digest = sent.jti_digest"
    )
}

async fn a_replay_is_told_from_an_old_assertion_along_the_primary_key(db: Db) {
    let registry = Registry::open(&db).await;
    let digest = if db.is_sqlite() {
        "CAST(printf('%032d', n) AS BLOB)"
    } else {
        "convert_to(lpad(n::text, 32, '0'), 'UTF8')"
    };
    let insert = format!(
        "WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < 29999) \
         INSERT INTO used_assertions (tenant_id, client_id, jti_digest, expires_at) \
         SELECT 'acme', 'a', {digest}, n FROM numbers"
    );
    db.execute(&insert).await;
    for analyzed in [false, true] {
        if analyzed {
            registry.store.analyze().await.unwrap();
        }
        let plan = db.plan(&query_for_used(&db)).await;
        let key = if db.is_sqlite() {
            "SEARCH used USING COVERING INDEX sqlite_autoindex_used_assertions_1 \
             (tenant_id=? AND client_id=? AND jti_digest=?)"
        } else {
            "using used_assertions_pkey on used_assertions"
        };
        assert!(plan.contains(key), "{plan}");
        assert!(!plan.contains("Seq Scan"), "{plan}");
    }
}
