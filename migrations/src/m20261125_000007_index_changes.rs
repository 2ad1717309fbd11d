//! Listing change records, newest first, and purging the oldest.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const TABLE: &str = "oauth_client_changes";
/// The order of a list, and the time alone: what is old enough is deleted for all tenants at once.
const INDEXES: [(&str, &[&str]); 2] = [
    (
        "oauth_client_changes_tenant_time_idx",
        &["tenant_id", "time", "client_id", "revision"],
    ),
    ("oauth_client_changes_time_idx", &["time"]),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (name, columns) in INDEXES {
            let mut index = Index::create();
            index.name(name).table(TABLE);
            for column in columns {
                index.col(*column);
            }
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (name, _) in INDEXES {
            manager
                .drop_index(Index::drop().name(name).table(TABLE).to_owned())
                .await?;
        }
        Ok(())
    }
}
