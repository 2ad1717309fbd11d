//! Stands in for a migration of the next version, as long as the history holds none that an earlier version can live
//! with: it adds a column, an index and a table.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let column = Table::alter()
            .table("oauth_clients")
            .add_column(ColumnDef::new("of_the_next_version").text())
            .to_owned();
        manager.alter_table(column).await?;
        let index = Index::create()
            .name("oauth_clients_of_the_next_version_idx")
            .table("oauth_clients")
            .col("tenant_id")
            .col("of_the_next_version")
            .to_owned();
        manager.create_index(index).await?;
        let table = Table::create()
            .table("of_the_next_version")
            .col(ColumnDef::new("tenant_id").text().not_null().primary_key())
            .to_owned();
        manager.create_table(table).await
    }
}
