//! Listing change records, newest first, and purging the oldest.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const TABLE: &str = "oauth_client_changes";
const LIST_INDEX: &str = "oauth_client_changes_tenant_time_idx";
const PURGE_INDEX: &str = "oauth_client_changes_minute_idx";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let index = Index::create()
            .name(LIST_INDEX)
            .table(TABLE)
            .col("tenant_id")
            .col("time")
            .col("client_id")
            .col("revision")
            .to_owned();
        manager.create_index(index).await?;
        // What is old is deleted for all tenants at once, by the minute. No list has an order or a filter that fits an index
        // of expressions, so that none is read along this one, with the records of other tenants.
        let index = format!("CREATE INDEX {PURGE_INDEX} ON {TABLE} ((time / 60000000))");
        manager.get_connection().execute_unprepared(&index).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for name in [LIST_INDEX, PURGE_INDEX] {
            manager
                .drop_index(Index::drop().name(name).table(TABLE).to_owned())
                .await?;
        }
        Ok(())
    }
}
