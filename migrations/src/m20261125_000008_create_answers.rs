//! The responses to requests with an idempotency key, so that a retry gets the response that was lost.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const TABLE: &str = "kept_responses";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(kept_responses(manager)).await?;
        // It does not begin with the tenant: what is old is deleted for all of them at once.
        let index = Index::create()
            .name("kept_responses_created_at_idx")
            .table(TABLE)
            .col("created_at")
            .to_owned();
        manager.create_index(index).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(TABLE).to_owned()).await
    }
}

fn kept_responses(manager: &SchemaManager) -> TableCreateStatement {
    Table::create()
        .table(TABLE)
        .col(crate::code_point_text(manager, "tenant_id").not_null())
        // Derived from the idempotency key, the tenant and the subject.
        .col(ColumnDef::new("request_digest").blob().not_null())
        // Of the method and the message.
        .col(ColumnDef::new("message_digest").blob().not_null())
        // Encrypted under a key that is derived from the idempotency key.
        .col(ColumnDef::new("response").blob().not_null())
        .col(ColumnDef::new("created_at").big_integer().not_null())
        .primary_key(Index::create().col("tenant_id").col("request_digest"))
        .to_owned()
}
