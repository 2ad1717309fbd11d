//! Recording several uses of assertions in one statement. Each statement has two texts, for one use and for any number.

use std::collections::HashSet;

use sea_orm::{ConnectionTrait as _, DbErr, QueryResult, Statement, Value};
use serde_json::json;

use super::{AssertionUse, Key, PendingUse, USABLE_AFTER_END, micros};
use crate::store::{connection::Connection, dialect::Dialect, error::StoreError};

/// One use as a row. The database needs no time for it, unlike for JSON.
const ROW: &str = "SELECT $1 AS tenant_id, $2 AS client_id, $3 AS jti_digest, $4 AS expires_at";

/// Records the uses, and tells each its outcome.
pub(super) async fn record(mut uses: Vec<PendingUse>, dialect: &Dialect, connection: &Connection) {
    if uses.is_empty() {
        return;
    }
    let losers = match insert(&sorted(&mut uses), dialect, connection).await {
        Ok(inserted) => tell_winners(uses, inserted),
        Err(error) => return fail(uses, &error.into()),
    };
    if losers.is_empty() {
        return;
    }
    let lost: Vec<&PendingUse> = losers.iter().collect();
    match find(&lost, dialect, connection).await {
        Ok(found) => tell_losers(losers, &found),
        Err(error) => fail(losers, &error.into()),
    }
}

/// Sorts uses by key, and returns the first of each key. The order is the same in all statements, which would otherwise wait
/// for one another in a circle.
fn sorted(uses: &mut [PendingUse]) -> Vec<&PendingUse> {
    // The use with the latest end goes first: if the database refuses it as too old, it refuses the others with the same key.
    uses.sort_by(|one, other| {
        let by_key = one.key.cmp(&other.key);
        by_key.then_with(|| other.expires_at.cmp(&one.expires_at))
    });
    let by_key = uses.chunk_by(|one, other| one.key == other.key);
    by_key.filter_map(<[PendingUse]>::first).collect()
}

/// Tells the first use of each key that was inserted, and returns the other uses.
fn tell_winners(uses: Vec<PendingUse>, mut inserted: HashSet<Key>) -> Vec<PendingUse> {
    let mut losers = Vec::new();
    for pending in uses {
        if inserted.remove(&pending.key) {
            pending.end(AssertionUse::First);
        } else {
            losers.push(pending);
        }
    }
    losers
}

fn tell_losers(losers: Vec<PendingUse>, found: &HashSet<Key>) {
    for pending in losers {
        let outcome = if found.contains(&pending.key) {
            AssertionUse::Replay
        } else {
            AssertionUse::TooOld
        };
        pending.end(outcome);
    }
}

fn fail(uses: Vec<PendingUse>, error: &StoreError) {
    for pending in uses {
        pending.fail(error);
    }
}

/// Inserts the uses that were not recorded yet and are not too old, and returns their keys.
async fn insert(
    uses: &[&PendingUse],
    dialect: &Dialect,
    connection: &Connection,
) -> Result<HashSet<Key>, DbErr> {
    let sent = Sent::new(uses, dialect);
    let mut sql = format!(
        "INSERT INTO used_assertions (tenant_id, client_id, jti_digest, expires_at) \
         SELECT tenant_id, client_id, jti_digest, expires_at FROM ({rows}) AS sent \
         WHERE expires_at > {now} - {usable} ON CONFLICT DO NOTHING",
        rows = sent.rows,
        now = dialect.statement_time,
        usable = micros(USABLE_AFTER_END),
    );
    if let [only] = uses {
        // The driver takes longer for a row than for a number of rows.
        let statement = Statement::from_sql_and_values(dialect.backend, sql, sent.values);
        let inserted = connection.execute_raw(statement).await?.rows_affected() == 1;
        return Ok(inserted.then(|| only.key.clone()).into_iter().collect());
    }
    sql.push_str(" RETURNING tenant_id, client_id, jti_digest");
    keys(sql, sent.values, connection).await
}

/// Returns the keys that are recorded.
async fn find(
    uses: &[&PendingUse],
    dialect: &Dialect,
    connection: &Connection,
) -> Result<HashSet<Key>, DbErr> {
    let sent = Sent::new(uses, dialect);
    // SQLite goes through the tables of a cross join in their order.
    let sql = format!(
        "SELECT used.tenant_id, used.client_id, used.jti_digest FROM ({rows}) AS sent \
         CROSS JOIN used_assertions AS used \
         WHERE used.tenant_id = sent.tenant_id AND used.client_id = sent.client_id \
         AND used.jti_digest = sent.jti_digest",
        rows = sent.rows,
    );
    keys(sql, sent.values, connection).await
}

async fn keys(sql: String, values: Vec<Value>, connection: &Connection) -> Result<HashSet<Key>, DbErr> {
    let statement = Statement::from_sql_and_values(connection.get_database_backend(), sql, values);
    let rows = connection.query_all_raw(statement).await?;
    rows.iter().map(key).collect()
}

fn key(row: &QueryResult) -> Result<Key, DbErr> {
    let digest: Vec<u8> = row.try_get_by_index(2)?;
    Ok(Key {
        tenant: row.try_get_by_index(0)?,
        client: row.try_get_by_index(1)?,
        digest: digest
            .try_into()
            .map_err(|_| DbErr::Type("a digest of another length".to_owned()))?,
    })
}

/// Uses as a statement gets them.
struct Sent {
    /// A query for them as rows.
    rows: &'static str,
    /// The parameters of the query.
    values: Vec<Value>,
}

impl Sent {
    fn new(uses: &[&PendingUse], dialect: &Dialect) -> Self {
        if let [PendingUse { key, expires_at, .. }] = uses {
            return Self {
                rows: ROW,
                values: vec![
                    key.tenant.as_str().into(),
                    key.client.as_str().into(),
                    key.digest.to_vec().into(),
                    expires_at.as_micros().into(),
                ],
            };
        }
        let rows = uses.iter().map(|PendingUse { key, expires_at, .. }| {
            json!([
                key.tenant,
                key.client,
                hex::encode(key.digest),
                expires_at.as_micros()
            ])
        });
        Self {
            rows: dialect.used_assertions,
            values: vec![rows.collect::<serde_json::Value>().to_string().into()],
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;
    use crate::domain::timestamp::Timestamp;

    #[test]
    fn a_statement_has_each_key_once_with_its_latest_end_in_the_order_of_the_keys() {
        let pending = |(digest, end): (u8, i64)| {
            let key = Key {
                tenant: "acme".to_owned(),
                client: "a".to_owned(),
                digest: [digest; 32],
            };
            PendingUse::new(key, Timestamp::from_micros(end), oneshot::channel().0)
        };
        let mut uses = [(3, 1), (1, 1), (2, 7), (1, 9), (2, 7), (1, 5)].map(pending);
        let sent = sorted(&mut uses).into_iter();
        let sent: Vec<(u8, i64)> = sent
            .map(|pending| (pending.key.digest[0], pending.expires_at.as_micros()))
            .collect();
        assert_eq!(sent, [(1, 9), (2, 7), (3, 1)]);
    }
}
