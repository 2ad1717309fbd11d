//! `ListOAuthClientChanges`: pages, filters and query plans of change records, and their purge.

mod filter;
mod invalid;
mod pages;
mod plans;
mod purge;
mod walk;

use std::fmt::Write as _;

use oauth_clients::{
    domain::{
        change_list::{ChangeKey, ChangeList, ChangeRecord},
        filter::Filter,
        page::{Limit, PageRequest, Start},
    },
    store::Page,
};
use serde_json::Value;

use crate::support::{Db, registry::Registry};

/// The time of the oldest record, in microseconds since 1970.
const BEGIN: i64 = 1_700_000_000_000_000;

/// A record as a row.
#[derive(Debug, Clone)]
struct Row {
    tenant: &'static str,
    client_id: String,
    revision: i64,
    kind: String,
    time: i64,
    actor: String,
}

async fn insert(db: &Db, rows: &[Row]) {
    for chunk in rows.chunks(500) {
        let mut sql = "INSERT INTO oauth_client_changes (tenant_id, client_id, revision, type, time, actor) \
                       VALUES "
            .to_owned();
        for (index, row) in chunk.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
            write!(
                sql,
                "{separator}({}, {}, {}, {}, {}, {})",
                quoted(row.tenant),
                quoted(&row.client_id),
                row.revision,
                quoted(&row.kind),
                row.time,
                quoted(&row.actor)
            )
            .unwrap();
        }
        db.execute(&sql).await;
    }
}

/// Returns an id of a client.
fn client_id(number: usize) -> String {
    format!("{:032x}", number * 0x9E37_79B9)
}

fn list(filter: Option<&str>) -> ChangeList {
    ChangeList {
        filter: filter.map(|filter| Filter::parse(filter).unwrap()),
    }
}

async fn page(
    registry: &Registry,
    list: &ChangeList,
    limit: i64,
    start: Start<ChangeKey>,
) -> Page<ChangeRecord, ChangeKey> {
    let request = PageRequest {
        list: list.clone(),
        limit: Limit::parse(limit).unwrap(),
        start,
        count: true,
    };
    registry
        .store
        .list_changes(&registry.tenant, &request)
        .await
        .unwrap()
}

/// Returns the client and the revision of each record of a page.
fn names(page: &Value) -> Vec<(&str, i64)> {
    let records = page["data"].as_array().unwrap().iter();
    records
        .map(|record| {
            let revision = record["revision"].as_str().unwrap().parse().unwrap();
            (record["clientId"].as_str().unwrap(), revision)
        })
        .collect()
}
