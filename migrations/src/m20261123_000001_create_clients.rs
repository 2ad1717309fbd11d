//! The clients and their secrets. Times are microseconds since 1970, lists are JSON.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(clients(manager)).await?;
        manager.create_table(secrets(manager)).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .drop_table(Table::drop().table("oauth_client_secrets").to_owned())
            .await?;
        manager
            .drop_table(Table::drop().table("oauth_clients").to_owned())
            .await
    }
}

fn clients(manager: &SchemaManager) -> TableCreateStatement {
    let text = |name| crate::code_point_text(manager, name);
    Table::create()
        .table("oauth_clients")
        .col(text("tenant_id").not_null())
        // Unique by itself: the authorization server looks clients up by their id alone.
        .col(text("client_id").not_null().unique_key())
        .col(ColumnDef::new("version").big_integer().not_null())
        .col(text("app_type").not_null())
        .col(text("client_name").not_null())
        .col(text("client_name_folded").not_null())
        .col(text("description"))
        .col(text("logo_uri"))
        .col(text("client_uri"))
        .col(text("redirect_uris").not_null())
        .col(text("allowed_origins").not_null())
        .col(text("allowed_scopes").not_null())
        .col(text("allowed_grant_types").not_null())
        .col(text("allowed_auth_methods").not_null())
        .col(text("public_keys").not_null())
        .col(text("consent_method"))
        .col(text("disable_tag"))
        .col(ColumnDef::new("created_at").big_integer().not_null())
        .col(ColumnDef::new("updated_at").big_integer().not_null())
        .col(ColumnDef::new("deleted_at").big_integer())
        .col(ColumnDef::new("published_at").big_integer())
        .primary_key(Index::create().col("tenant_id").col("client_id"))
        .to_owned()
}

fn secrets(manager: &SchemaManager) -> TableCreateStatement {
    let text = |name| crate::code_point_text(manager, name);
    Table::create()
        .table("oauth_client_secrets")
        .col(text("tenant_id").not_null())
        .col(text("client_id").not_null())
        .col(text("hint").not_null())
        .col(ColumnDef::new("hash").blob().not_null())
        .col(ColumnDef::new("created_at").big_integer().not_null())
        .col(text("created_by").not_null())
        .primary_key(Index::create().col("tenant_id").col("client_id").col("hint"))
        .foreign_key(
            ForeignKey::create()
                .name("oauth_client_secrets_client_fkey")
                .from("oauth_client_secrets", ("tenant_id", "client_id"))
                .to("oauth_clients", ("tenant_id", "client_id")),
        )
        .to_owned()
}
