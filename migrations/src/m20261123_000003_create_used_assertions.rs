//! The assertions that clients have used, so that none is used twice (RFC 7523 section 3).

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const TABLE: &str = "used_assertions";
const EXPIRES_AT_INDEX: &str = "used_assertions_expires_at_idx";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(used_assertions(manager)).await?;
        // The one key that does not begin with the tenant: what has expired is deleted for all of them at once.
        let index = Index::create()
            .name(EXPIRES_AT_INDEX)
            .table(TABLE)
            .col("expires_at")
            .to_owned();
        manager.create_index(index).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(TABLE).to_owned()).await
    }
}

fn used_assertions(manager: &SchemaManager) -> TableCreateStatement {
    let text = |name| crate::code_point_text(manager, name);
    Table::create()
        .table(TABLE)
        .col(text("tenant_id").not_null())
        .col(text("client_id").not_null())
        .col(ColumnDef::new("jti_digest").blob().not_null())
        .col(ColumnDef::new("expires_at").big_integer().not_null())
        .primary_key(
            Index::create()
                .col("tenant_id")
                .col("client_id")
                .col("jti_digest"),
        )
        .to_owned()
}
