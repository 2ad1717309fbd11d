//! Transactions that read, and transactions that write.

use sea_orm::{
    AccessMode, DatabaseTransaction, DbBackend, DbErr, IsolationLevel, SqliteTransactionMode,
    TransactionOptions, TransactionTrait as _,
};

use super::Store;

impl Store {
    /// A transaction that reads, and sees one state of the database.
    pub(super) async fn begin_read(&self) -> Result<DatabaseTransaction, DbErr> {
        let postgres = self.readers.get_database_backend() == DbBackend::Postgres;
        let options = TransactionOptions {
            isolation_level: postgres.then_some(IsolationLevel::RepeatableRead),
            access_mode: postgres.then_some(AccessMode::ReadOnly),
            ..TransactionOptions::default()
        };
        self.readers.begin_with_options(options).await
    }

    /// A transaction that may write. On SQLite it is the writer from its first moment, so that it never has to wait
    /// for a lock half-way.
    pub(super) async fn begin_write(&self) -> Result<DatabaseTransaction, DbErr> {
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        self.writers.begin_with_options(options).await
    }
}
