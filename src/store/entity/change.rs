//! `oauth_client_changes`: a change of a client a row. On PostgreSQL it also has `xid`, which the database fills.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "oauth_client_changes")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub client_id: String,
    /// The version of the client after the change.
    #[sea_orm(primary_key, auto_increment = false)]
    pub revision: i64,
    #[sea_orm(column_name = "type")]
    pub change_type: String,
    /// Microseconds since 1970.
    pub time: i64,
    pub actor: String,
    /// The `x-request-id` of the request that made the change. Servers of the version before state none.
    pub correlation_id: Option<String>,
    /// JSON of the members that differ, unless the client was created or deleted.
    pub updates: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
