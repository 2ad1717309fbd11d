//! The responses to requests with an idempotency key, each written in the transaction of its change. A retry finds the
//! response, or else the change was not made.

use std::time::Duration;

use sea_orm::{ConnectionTrait as _, DbErr, Statement};

use super::{connection::Connection, dialect::Dialect, error::StoreError, work::Waiting};
use crate::domain::{
    digest::Sha256,
    ids::TenantId,
    kept_response::{MessageDigest, ResponseKey, ResponseNonce},
};

/// The age at which a response is purged: the 24 hours that callers are promised, and more than a request takes, as the
/// response is kept before its caller gets it.
pub(super) const KEPT: Duration = Duration::from_mins(24 * 60 + 5);

/// A request that is carried out once, however often it is sent, with a response of type `T`.
#[derive(Debug)]
pub struct Once<T> {
    /// The key under which the response is kept.
    pub key: ResponseKey,
    /// The request that it is the response to.
    pub message: MessageDigest,
    /// The nonce with which the response is encrypted.
    pub nonce: ResponseNonce,
    /// Encodes the response.
    pub to_bytes: fn(&T) -> Vec<u8>,
    /// Decodes the response, or returns `None` if it is malformed.
    pub from_bytes: fn(&[u8]) -> Option<T>,
}

/// Carries out a request in a transaction, unless it was carried out before: then the response is the first one.
/// Concurrent requests with one key wait for one another. Without a key, there is only the work.
pub(super) async fn once<T, E: From<StoreError>>(
    once: Option<&Once<T>>,
    tenant: &TenantId,
    transaction: &Transaction<'_>,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let Some(once) = once else {
        return work.await;
    };
    if let Some(response) = once.find(tenant, transaction).await? {
        return Ok(response);
    }
    let response = work.await?;
    once.keep(tenant, &response, transaction).await?;
    transaction.waiting.check()?;
    Ok(response)
}

/// The transaction in which a request is carried out.
pub(super) struct Transaction<'a> {
    pub(super) dialect: &'static Dialect,
    pub(super) connection: &'a Connection,
    pub(super) waiting: &'a Waiting,
}

impl Transaction<'_> {
    fn statement(
        &self,
        sql: impl Into<String>,
        values: impl IntoIterator<Item = sea_orm::Value>,
    ) -> Statement {
        Statement::from_sql_and_values(self.dialect.backend, sql, values)
    }
}

impl<T> Once<T> {
    async fn find(&self, tenant: &TenantId, transaction: &Transaction<'_>) -> Result<Option<T>, StoreError> {
        let connection = transaction.connection;
        let name = self.key.name();
        if let Some(lock) = transaction.dialect.lock_number {
            // A statement of its own: the snapshot of the next one has what was committed while this one waited.
            let lock = transaction.statement(lock, [number(name).into()]);
            connection.execute_raw(lock).await?;
        }
        let find = "SELECT message_digest, response FROM kept_responses WHERE tenant_id = $1 AND request_digest = $2";
        let find = transaction.statement(find, [tenant.as_str().into(), name.to_vec().into()]);
        let Some(row) = connection.query_one_raw(find).await? else {
            return Ok(None);
        };
        let message: Vec<u8> = row.try_get("", "message_digest")?;
        if message != self.message.as_bytes() {
            return Err(StoreError::RequestIdReused);
        }
        let sealed: Vec<u8> = row.try_get("", "response")?;
        let response = self.key.open(&self.message, &sealed);
        let response = response.and_then(|response| (self.from_bytes)(&response));
        response.map(Some).ok_or_else(StoreError::corrupt_response)
    }

    async fn keep(
        &self,
        tenant: &TenantId,
        response: &T,
        transaction: &Transaction<'_>,
    ) -> Result<(), StoreError> {
        let response = (self.to_bytes)(response);
        let sealed = self.key.seal(self.nonce, &self.message, response);
        let sealed = sealed.map_err(|error| DbErr::Custom(error.to_string()))?;
        let sql = format!(
            "INSERT INTO kept_responses (tenant_id, request_digest, message_digest, response, created_at) \
             VALUES ($1, $2, $3, $4, {now})",
            now = transaction.dialect.statement_time
        );
        let values = [
            tenant.as_str().into(),
            self.key.name().to_vec().into(),
            self.message.as_bytes().to_vec().into(),
            sealed.into(),
        ];
        let insert = transaction.statement(sql, values);
        transaction.connection.execute_raw(insert).await?;
        Ok(())
    }
}

/// Returns the number of the lock on a name. Two names with the same number only wait for one another.
fn number(name: &Sha256) -> i64 {
    let number = name.first_chunk().copied().unwrap_or_default();
    i64::from_be_bytes(number)
}
