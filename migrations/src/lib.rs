//! The database schema, step by step, for SQLite and PostgreSQL. The rules are in `README.md`.

pub use sea_orm_migration::MigratorTrait;
use sea_orm_migration::{MigrationTrait, async_trait::async_trait};

mod m20261123_000001_create_clients;
mod m20261123_000002_index_clients;

/// All steps, in order.
#[derive(Debug)]
pub struct Migrator;

#[async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261123_000001_create_clients::Migration),
            Box::new(m20261123_000002_index_clients::Migration),
        ]
    }
}
