//! The database schema, step by step, for SQLite and PostgreSQL. The rules are in `README.md`.

pub use sea_orm_migration::{MigrationTrait, MigratorTrait, SchemaManager, seaql_migrations};
use sea_orm_migration::{async_trait::async_trait, prelude::ColumnDef, sea_orm::DbBackend};

mod m20261123_000001_create_clients;
mod m20261123_000002_index_clients;
mod m20261123_000003_create_used_assertions;
mod m20261125_000004_create_changes;
mod m20261125_000005_complete_changes;
mod m20261125_000006_order_changes;
mod m20261125_000007_index_changes;
mod m20261125_000008_create_answers;

/// All steps, in order.
#[derive(Debug)]
pub struct Migrator;

#[async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261123_000001_create_clients::Migration),
            Box::new(m20261123_000002_index_clients::Migration),
            Box::new(m20261123_000003_create_used_assertions::Migration),
            Box::new(m20261125_000004_create_changes::Migration),
            Box::new(m20261125_000005_complete_changes::Migration),
            Box::new(m20261125_000006_order_changes::Migration),
            Box::new(m20261125_000007_index_changes::Migration),
            Box::new(m20261125_000008_create_answers::Migration),
        ]
    }
}

/// Text that compares by code point, whatever the collation of the database: what SQLite does by itself.
fn code_point_text(manager: &SchemaManager, name: &'static str) -> ColumnDef {
    let mut column = ColumnDef::new(name);
    column.text();
    if manager.get_database_backend() == DbBackend::Postgres {
        column.extra("COLLATE \"C\"");
    }
    column
}
