//! Used assertions, kept until no server could accept them any more. The clock of the database decides how long: it is one
//! for all servers, whose own clocks may differ, or jump.

use std::time::Duration;

use sea_orm::{ConnectionTrait as _, Statement, Value};

use super::{Store, Work, detached, error::StoreError};
use crate::domain::{
    assertion::UsedAssertion,
    ids::{ClientId, TenantId},
};

/// The most rows that one statement deletes, so that none takes long.
const BATCH: i64 = 1_000;
/// The longest that an assertion can be used after its end: a server whose clock is that far behind still accepts it.
const USABLE_AFTER_END: Duration = Duration::from_mins(5);
/// The age after its end at which a used assertion is purged. The difference to [`USABLE_AFTER_END`] is longer than an
/// insertion can take, so no insertion finds a purged assertion unused.
const KEPT_AFTER_END: Duration = Duration::from_mins(6);

/// The outcome of using an assertion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssertionUse {
    /// The assertion was never used before.
    First,
    /// The assertion was used before.
    Replay,
    /// The assertion may have been used and purged: its end is that long ago by the clock of the database.
    TooOld,
}

impl Store {
    /// Records the use of an assertion. Of several concurrent uses, on one replica or several, exactly one is the first.
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
        let permit = self.admission.permit(Work::Read).await?;
        detached(|_| async move {
            let _permit = permit;
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

    /// Deletes up to a thousand used assertions that no server accepts any more, and returns their number.
    ///
    /// # Errors
    /// If the database cannot be reached.
    pub async fn purge_assertions(&self) -> Result<u64, StoreError> {
        let store = self.clone();
        detached(|_| async move {
            let dialect = store.dialect;
            // By the whole key, as different clients may choose the same `jti`.
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
