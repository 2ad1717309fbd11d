//! Assertions that clients have used, kept until no server could accept them any more. Which those are, the clock of the
//! database decides: it is one for all servers, whose own clocks may differ, or jump.

use std::time::Duration;

use sea_orm::{ConnectionTrait as _, Statement, Value};

use super::{Store, detached, error::StoreError};
use crate::domain::{
    assertion::UsedAssertion,
    ids::{ClientId, TenantId},
};

/// How many rows are deleted at once, so that no deletion takes long.
const BATCH: i64 = 1_000;
/// How long after its end an assertion is not used any more: a server whose clock is so far behind may still accept it.
const USABLE_AFTER_END: Duration = Duration::from_mins(5);
/// How long after its end a used assertion is deleted. It is longer than an insertion can take that began when the
/// assertion was still usable.
const KEPT_AFTER_END: Duration = Duration::from_mins(6);

/// What became of the use of an assertion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssertionUse {
    /// It was used for the first time.
    First,
    /// It was used before.
    Replay,
    /// By the clock of the database, its end is so long ago that it may have been used and forgotten.
    TooOld,
}

impl Store {
    /// Notes that a client uses an assertion. Of several uses at once, also through other servers, exactly one is the
    /// first.
    ///
    /// # Errors
    /// If the database cannot be reached.
    pub async fn use_assertion(
        &self,
        tenant: &TenantId,
        client: &ClientId,
        assertion: &UsedAssertion,
    ) -> Result<AssertionUse, StoreError> {
        let key: [Value; 3] = [
            tenant.as_str().into(),
            client.as_str().into(),
            assertion.digest.to_vec().into(),
        ];
        let store = self.clone();
        let mut row = key.to_vec();
        row.push(assertion.expires_at.as_micros().into());
        row.push(micros(USABLE_AFTER_END).into());
        detached(|_| async move {
            let dialect = store.dialect;
            let connection = store.writer().await?;
            let insert = format!(
                "INSERT INTO used_assertions (tenant_id, client_id, jti_digest, expires_at) \
                 SELECT $1, $2, $3, $4 WHERE $4 > {now} - $5 ON CONFLICT DO NOTHING",
                now = dialect.statement_time
            );
            let insert = Statement::from_sql_and_values(dialect.backend, insert, row);
            if connection.execute_raw(insert).await?.rows_affected() == 1 {
                return Ok(AssertionUse::First);
            }
            let find =
                "SELECT 1 FROM used_assertions WHERE tenant_id = $1 AND client_id = $2 AND jti_digest = $3";
            let find = Statement::from_sql_and_values(dialect.backend, find, key);
            Ok(match connection.query_one_raw(find).await? {
                Some(_) => AssertionUse::Replay,
                None => AssertionUse::TooOld,
            })
        })
        .await
    }

    /// Deletes used assertions that no server accepts any more, up to a thousand, and returns how many they were.
    ///
    /// # Errors
    /// If the database cannot be reached.
    pub async fn purge_assertions(&self) -> Result<u64, StoreError> {
        let store = self.clone();
        detached(|_| async move {
            let dialect = store.dialect;
            // The whole key: clients choose the same ids as others.
            let sql = format!(
                "DELETE FROM used_assertions WHERE (tenant_id, client_id, jti_digest) IN (\
                 SELECT tenant_id, client_id, jti_digest FROM used_assertions \
                 WHERE expires_at <= {now} - $1 LIMIT $2)",
                now = dialect.statement_time
            );
            let values = [micros(KEPT_AFTER_END).into(), BATCH.into()];
            let delete = Statement::from_sql_and_values(dialect.backend, sql, values);
            let connection = store.writer().await?;
            Ok(connection.execute_raw(delete).await?.rows_affected())
        })
        .await
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
