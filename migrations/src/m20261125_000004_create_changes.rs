//! The change records, one for each change of a client, and the settings that all servers of a database share.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(changes(manager)).await?;
        if manager.get_database_backend() == DbBackend::Postgres {
            let index = Index::create()
                .name("oauth_client_changes_xid_idx")
                .table("oauth_client_changes")
                .col("xid")
                .to_owned();
            manager.create_index(index).await?;
        }
        manager.create_table(settings(manager)).await?;
        // Servers of an older version, which may still serve a database that has clients, write no change records.
        let fence = "INSERT INTO oauth_client_settings (name, value) SELECT 'cache_fence_ms', \
                     CASE WHEN EXISTS (SELECT 1 FROM oauth_clients) THEN '0' ELSE '100' END";
        manager.get_connection().execute_unprepared(fence).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["oauth_client_settings", "oauth_client_changes"] {
            manager.drop_table(Table::drop().table(table).to_owned()).await?;
        }
        Ok(())
    }
}

fn changes(manager: &SchemaManager) -> TableCreateStatement {
    let text = |name| crate::code_point_text(manager, name);
    let mut table = Table::create();
    table
        .table("oauth_client_changes")
        .col(text("tenant_id").not_null())
        .col(text("client_id").not_null())
        // The version of the client after the change.
        .col(ColumnDef::new("revision").big_integer().not_null())
        .col(text("type").not_null())
        .col(ColumnDef::new("time").big_integer().not_null())
        .col(text("actor").not_null())
        .primary_key(Index::create().col("tenant_id").col("client_id").col("revision"));
    if manager.get_database_backend() == DbBackend::Postgres {
        // The transaction that made the change. It is compared with snapshots, so that no late commit is missed.
        table.col(
            ColumnDef::new("xid")
                .custom("xid8")
                .not_null()
                .default(Expr::cust("pg_current_xact_id()")),
        );
    }
    table
}

fn settings(manager: &SchemaManager) -> TableCreateStatement {
    let text = |name| crate::code_point_text(manager, name);
    Table::create()
        .table("oauth_client_settings")
        .col(text("name").not_null().primary_key())
        .col(text("value").not_null())
        .to_owned()
}
