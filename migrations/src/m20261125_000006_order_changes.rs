//! The order of changes on SQLite, and the identity of the database, for those that watch changes.
//!
//! On PostgreSQL the order is that of snapshots, for which `xid` is there. SQLite has one writer at a time, so the order in
//! which it inserts is that of commits. `AUTOINCREMENT` keeps a number from being used again after a purge.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const TABLE: &str = "oauth_client_changes";
const OLD_TABLE: &str = "oauth_client_changes_old";
const COLUMNS: &str = "tenant_id, client_id, revision, type, time, actor, correlation_id, updates";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        let random = if manager.get_database_backend() == DbBackend::Sqlite {
            number_rows(manager).await?;
            "lower(hex(randomblob(32)))"
        } else {
            "replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', '')"
        };
        // `incarnation` is another one after a restore; `resume_token_key` authenticates positions in a stream.
        for name in ["incarnation", "resume_token_key"] {
            let add = format!("INSERT INTO oauth_client_settings (name, value) SELECT '{name}', {random}");
            connection.execute_unprepared(&add).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        let delete = "DELETE FROM oauth_client_settings WHERE name IN ('incarnation', 'resume_token_key')";
        connection.execute_unprepared(delete).await?;
        if manager.get_database_backend() == DbBackend::Sqlite {
            let mut plain = table(manager);
            plain.primary_key(Index::create().col("tenant_id").col("client_id").col("revision"));
            rebuild(manager, &plain, "position").await?;
        }
        Ok(())
    }
}

/// SQLite cannot add a primary key to a table, so there is a new one.
async fn number_rows(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let mut numbered = table(manager);
    numbered
        .col(
            ColumnDef::new("position")
                .integer()
                .not_null()
                .auto_increment()
                .primary_key(),
        )
        .index(
            Index::create()
                .unique()
                .col("tenant_id")
                .col("client_id")
                .col("revision"),
        );
    // The rows are numbered in the order in which they were inserted.
    rebuild(manager, &numbered, "rowid").await
}

async fn rebuild(manager: &SchemaManager<'_>, new: &TableCreateStatement, order: &str) -> Result<(), DbErr> {
    let rename = Table::rename().table(TABLE, OLD_TABLE).to_owned();
    manager.rename_table(rename).await?;
    manager.create_table(new.clone()).await?;
    let copy = format!("INSERT INTO {TABLE} ({COLUMNS}) SELECT {COLUMNS} FROM {OLD_TABLE} ORDER BY {order}");
    manager.get_connection().execute_unprepared(&copy).await?;
    manager
        .drop_table(Table::drop().table(OLD_TABLE).to_owned())
        .await
}

fn table(manager: &SchemaManager) -> TableCreateStatement {
    let text = |name| crate::code_point_text(manager, name);
    Table::create()
        .table(TABLE)
        .col(text("tenant_id").not_null())
        .col(text("client_id").not_null())
        .col(ColumnDef::new("revision").big_integer().not_null())
        .col(text("type").not_null())
        .col(ColumnDef::new("time").big_integer().not_null())
        .col(text("actor").not_null())
        .col(text("correlation_id"))
        .col(text("updates"))
        .to_owned()
}
