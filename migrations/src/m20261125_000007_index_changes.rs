//! Listing change records, newest first, and purging the oldest.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const TABLE: &str = "oauth_client_changes";
/// The columns between the tenant and the order of a list, and the name of the index. An actor or a type of few records
/// would otherwise be searched for in all records of the tenant.
const LIST_INDEXES: [(Option<&str>, &str); 3] = [
    (None, "oauth_client_changes_time_idx"),
    (Some("actor"), "oauth_client_changes_actor_idx"),
    (Some("type"), "oauth_client_changes_type_idx"),
];
const PURGE_INDEX: &str = "oauth_client_changes_minute_idx";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (equal, name) in LIST_INDEXES {
            let mut index = Index::create();
            index.name(name).table(TABLE).col("tenant_id");
            if let Some(column) = equal {
                index.col(column);
            }
            index.col("time").col("client_id").col("revision");
            manager.create_index(index).await?;
        }
        // What is old is deleted for all tenants at once, by the minute. No list has an order or a filter that fits an index
        // of expressions, so that none is read along this one, with the records of other tenants.
        let index = format!("CREATE INDEX {PURGE_INDEX} ON {TABLE} ((time / 60000000))");
        manager.get_connection().execute_unprepared(&index).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let lists = LIST_INDEXES.iter().map(|(_, name)| *name);
        for name in lists.chain([PURGE_INDEX]) {
            manager
                .drop_index(Index::drop().name(name).table(TABLE).to_owned())
                .await?;
        }
        Ok(())
    }
}
