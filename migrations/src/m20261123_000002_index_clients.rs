//! Listing: the clients of a tenant that are not deleted, in each order that a list can have. The same indexes find
//! names and types, whole or by a range.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// The column that comes after the tenant, and the name of its index. The identifier comes last, as it breaks ties.
const INDEXES: [(&str, &str); 5] = [
    ("client_id", "oauth_clients_client_id_idx"),
    ("client_name_folded", "oauth_clients_client_name_folded_idx"),
    ("app_type", "oauth_clients_app_type_idx"),
    ("created_at", "oauth_clients_created_at_idx"),
    ("updated_at", "oauth_clients_updated_at_idx"),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (column, name) in INDEXES {
            let mut index = Index::create();
            index
                .name(name)
                .table("oauth_clients")
                .col("tenant_id")
                .col(column);
            if column != "client_id" {
                index.col("client_id");
            }
            index.cond_where(Expr::col("deleted_at").is_null());
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (_, name) in INDEXES {
            manager
                .drop_index(Index::drop().name(name).table("oauth_clients").to_owned())
                .await?;
        }
        Ok(())
    }
}
