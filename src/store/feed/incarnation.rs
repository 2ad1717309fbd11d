//! The incarnation of a database, which is another one after a restore.

use sea_orm::{ConnectionTrait as _, DbBackend, Statement};

use crate::store::{Claim, Store, detached, error::StoreError};

const RENEW_ON_POSTGRES: &str = "UPDATE oauth_client_settings \
    SET value = replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', '') WHERE name = 'incarnation'";
const RENEW_ON_SQLITE: &str =
    "UPDATE oauth_client_settings SET value = lower(hex(randomblob(32))) WHERE name = 'incarnation'";
/// A restored dump has the numbers of transactions of another server, which this one may not have reached: its records
/// would be found once it does.
const FORGET_NUMBERS: &str = "UPDATE oauth_client_changes SET xid = '0' \
    WHERE xid >= pg_snapshot_xmax(pg_current_snapshot())";

impl Store {
    /// Gives the database another incarnation, so that no resume token continues that was made before.
    ///
    /// # Errors
    /// If the database cannot be reached, or lacks migrations.
    pub async fn renew_incarnation(&self, _claim: &Claim) -> Result<(), StoreError> {
        let store = self.clone();
        detached(|_| async move {
            let transaction = store.begin_write(store.writer().await?).await?;
            let renewed = async {
                let statements: &[&str] = match store.dialect.backend {
                    DbBackend::Postgres => &[RENEW_ON_POSTGRES, FORGET_NUMBERS],
                    _ => &[RENEW_ON_SQLITE],
                };
                for statement in statements {
                    let statement = Statement::from_string(store.dialect.backend, *statement);
                    transaction.execute_raw(statement).await?;
                }
                Ok(())
            };
            let renewed = renewed.await;
            transaction.end(renewed).await
        })
        .await
    }
}
