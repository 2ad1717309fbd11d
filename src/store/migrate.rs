//! The state of the schema, and its migration.

use std::time::{SystemTime, UNIX_EPOCH};

use oauth_clients_migrations::{
    MigrationTrait, Migrator, MigratorTrait as _, SchemaManager, seaql_migrations,
};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbErr, EntityTrait as _, QueryOrder as _, Set,
    SqliteTransactionMode, SqlxPostgresConnector, SqlxSqliteConnector, Statement, TransactionOptions,
    TransactionTrait as _,
    sqlx::{postgres::PgPoolOptions, sqlite::SqlitePoolOptions},
};

use super::{
    Claim, Store, detached, dialect::Dialect, error::StoreError, postgres, session::connection_error, sqlite,
};

/// The migrations of this version and of the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    /// Each migration by its name, oldest first.
    pub migrations: Vec<(String, MigrationState)>,
}

/// The state of a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MigrationState {
    /// The database has it.
    Applied,
    /// The database lacks it.
    Missing,
    /// A newer version has applied it, and this version does not know it. As migrations only add to the schema, this
    /// version still works.
    Newer,
}

impl MigrationState {
    /// Returns the state as a word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Missing => "missing",
            Self::Newer => "newer",
        }
    }
}

impl Schema {
    fn new(applied: &[String]) -> Self {
        let known: Vec<String> = Migrator::migrations()
            .iter()
            .map(|migration| migration.name().to_owned())
            .collect();
        let newer = applied
            .iter()
            .filter(|name| !known.contains(name))
            .map(|name| (name.clone(), MigrationState::Newer));
        let here = known.iter().map(|name| {
            let state = if applied.contains(name) {
                MigrationState::Applied
            } else {
                MigrationState::Missing
            };
            (name.clone(), state)
        });
        Self {
            migrations: here.chain(newer).collect(),
        }
    }

    /// Returns the number of migrations in a state.
    pub fn count(&self, state: MigrationState) -> usize {
        self.migrations
            .iter()
            .filter(|(_, other)| *other == state)
            .count()
    }
}

impl Store {
    /// Returns the state of the schema.
    ///
    /// # Errors
    /// If the database cannot be reached.
    pub async fn schema(&self) -> Result<Schema, StoreError> {
        let (pool, dialect) = (self.pools.control.clone(), self.dialect);
        detached(|_| async move {
            let connection = pool.get().await?;
            Ok(Schema::new(&applied_names(&connection, dialect).await?))
        })
        .await
    }

    /// Applies the migrations that the database lacks. Those that it has and this version does not know are left alone.
    /// On SQLite all are applied or none; on PostgreSQL each is one transaction, and several processes may migrate at
    /// once.
    ///
    /// # Errors
    /// If the database cannot be reached, or refuses.
    pub async fn migrate(&self, _claim: &Claim) -> Result<(), StoreError> {
        // A connection of its own, without the time limits of requests.
        if self.url.is_sqlite() {
            let options = sqlite::options(&self.url).map_err(connection_error)?;
            let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options);
            let pool = pool.await.map_err(connection_error)?;
            let connection = SqlxSqliteConnector::from_sqlx_sqlite_pool(pool);
            let mut applied = Vec::new();
            let outcome = migrate_sqlite(&connection, &mut applied).await;
            log(&applied, outcome)?;
            Ok(connection.close().await?)
        } else {
            let options = postgres::options(&self.url).map_err(connection_error)?;
            let pool = PgPoolOptions::new().max_connections(1).connect_with(options);
            let pool = pool.await.map_err(connection_error)?;
            let connection = SqlxPostgresConnector::from_sqlx_postgres_pool(pool);
            let mut applied = Vec::new();
            let outcome = migrate_postgres(&connection, &mut applied).await;
            log(&applied, outcome)?;
            Ok(connection.close().await?)
        }
    }
}

/// Applies all migrations in one transaction, so that a process that is killed leaves the old schema or the new one.
async fn migrate_sqlite(connection: &DatabaseConnection, applied: &mut Vec<String>) -> Result<(), DbErr> {
    let options = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    let transaction = connection.begin_with_options(options).await?;
    let mut names = Vec::new();
    while let Some(migration) = next_missing(&transaction, &sqlite::DIALECT).await? {
        apply(
            migration.as_ref(),
            &SchemaManager::new(&transaction),
            &sqlite::DIALECT,
        )
        .await?;
        names.push(migration.name().to_owned());
    }
    transaction.commit().await?;
    *applied = names;
    Ok(())
}

async fn migrate_postgres(connection: &DatabaseConnection, applied: &mut Vec<String>) -> Result<(), DbErr> {
    loop {
        // The lock belongs to the session, which may have been replaced since the last migration.
        postgres::lock_migrations(connection).await?;
        let Some(migration) = next_missing(connection, &postgres::DIALECT).await? else {
            return Ok(());
        };
        if migration.use_transaction() == Some(false) {
            apply(
                migration.as_ref(),
                &SchemaManager::new(connection),
                &postgres::DIALECT,
            )
            .await?;
        } else {
            let transaction = connection.begin().await?;
            apply(
                migration.as_ref(),
                &SchemaManager::new(&transaction),
                &postgres::DIALECT,
            )
            .await?;
            transaction.commit().await?;
        }
        applied.push(migration.name().to_owned());
    }
}

/// Logs the migrations that were applied, also if a later one failed.
fn log(applied: &[String], outcome: Result<(), DbErr>) -> Result<(), DbErr> {
    if !applied.is_empty() {
        let names = applied.join(", ");
        tracing::info!(count = applied.len(), migrations = names, "migrations applied");
    }
    outcome
}

async fn next_missing(
    connection: &impl ConnectionTrait,
    dialect: &Dialect,
) -> Result<Option<Box<dyn MigrationTrait>>, DbErr> {
    let applied = applied_names(connection, dialect).await?;
    let mut migrations = Migrator::migrations().into_iter();
    Ok(migrations.find(|migration| !applied.iter().any(|name| name == migration.name())))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the migrator records the time of a migration"
)]
async fn apply(
    migration: &dyn MigrationTrait,
    manager: &SchemaManager<'_>,
    dialect: &Dialect,
) -> Result<(), DbErr> {
    let connection = manager.get_connection();
    if !has_migrations(connection, dialect).await? {
        Migrator::install(connection).await?;
    }
    migration.up(manager).await?;
    let applied_at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let record = seaql_migrations::ActiveModel {
        version: Set(migration.name().to_owned()),
        applied_at: Set(applied_at.as_secs().try_into().unwrap_or(i64::MAX)),
    };
    seaql_migrations::Entity::insert(record).exec(connection).await?;
    Ok(())
}

/// Returns `true` if there is a table of migrations. To create one that exists makes PostgreSQL send a notice.
async fn has_migrations(connection: &impl ConnectionTrait, dialect: &Dialect) -> Result<bool, DbErr> {
    let query = Statement::from_string(dialect.backend, dialect.has_migrations);
    let row = connection.query_one_raw(query).await?;
    let any = row.map(|row| row.try_get_by_index(0)).transpose()?;
    Ok(any == Some(true))
}

/// Returns the names of the applied migrations, oldest first.
async fn applied_names(connection: &impl ConnectionTrait, dialect: &Dialect) -> Result<Vec<String>, DbErr> {
    if !has_migrations(connection, dialect).await? {
        return Ok(Vec::new());
    }
    let applied = seaql_migrations::Entity::find()
        .order_by_asc(seaql_migrations::Column::Version)
        .all(connection)
        .await?;
    Ok(applied.into_iter().map(|migration| migration.version).collect())
}
