//! Transactions that read, and transactions that write.

use std::ops::Deref;

use sea_orm::DbErr;

use super::{Store, connection::Connection, error::StoreError};

/// A transaction, used through the connection that it derefs to. It has to be [ended](Self::end): one that is dropped
/// takes its connection with it.
pub(super) struct Transaction(Connection);

impl Store {
    /// Begins a transaction that reads one state of the database.
    pub(super) async fn begin_read(&self, connection: Connection) -> Result<Transaction, StoreError> {
        connection.begin(self.dialect.begin_read).await?;
        Ok(Transaction(connection))
    }

    /// Begins a transaction that may write.
    pub(super) async fn begin_write(&self, connection: Connection) -> Result<Transaction, StoreError> {
        connection.begin(self.dialect.begin_write).await?;
        Ok(Transaction(connection))
    }
}

impl Transaction {
    /// Commits if the outcome is `Ok`, and rolls back otherwise.
    ///
    /// # Errors
    /// The error of the outcome, or that of the commit.
    pub(super) async fn end<T, E: From<DbErr>>(self, outcome: Result<T, E>) -> Result<T, E> {
        match &outcome {
            Ok(_) => self.commit().await?,
            Err(_) => {
                if let Err(error) = self.roll_back().await {
                    // The failure may have ended the transaction already. The connection is dropped either way.
                    tracing::debug!(%error, "transaction not rolled back");
                }
            }
        }
        outcome
    }
}

impl Deref for Transaction {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.0
    }
}
