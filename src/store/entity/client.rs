//! `oauth_clients`: a client a row. Times are microseconds since 1970, lists are JSON.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "oauth_clients")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub client_id: String,
    /// Grows by one with each change, so that a change of an older state is noticed.
    pub version: i64,
    pub app_type: String,
    pub client_name: String,
    /// The name with each code point lower-cased alone, for searching and sorting.
    pub client_name_folded: String,
    pub description: Option<String>,
    pub logo_uri: Option<String>,
    pub client_uri: Option<String>,
    pub redirect_uris: String,
    pub allowed_origins: String,
    pub allowed_scopes: String,
    pub allowed_grant_types: String,
    pub allowed_auth_methods: String,
    pub public_keys: String,
    pub consent_method: Option<String>,
    pub disable_tag: Option<String>,
    pub created_at: i64,
    pub updated_at: i64,
    pub deleted_at: Option<i64>,
    pub published_at: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    #[sea_orm(has_many = "super::secret::Entity")]
    Secrets,
}

impl Related<super::secret::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Secrets.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}
