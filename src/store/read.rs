//! Reading one client: of a tenant, for administrators; or by its identifier alone, whatever its tenant and state, for
//! authorization servers. The latter and the query for a stored credential are the only ones that do not begin with a
//! tenant.

use sea_orm::{ColumnTrait as _, Condition, EntityTrait as _, QueryFilter as _, QueryOrder as _};

use super::{
    Store, detached,
    entity::{
        client::{Column, Entity, Model},
        secret,
    },
    error::{Corrupt, StoreError},
    rows::{existing, from_row},
    secrets,
};
use crate::domain::{
    client::Client,
    ids::{ClientId, TenantId},
};

/// The rows of a client of some tenant, in some state.
#[derive(Debug)]
pub struct ClientRecord {
    row: Model,
    secrets: Vec<secret::Model>,
}

impl Store {
    /// Reads a client that is not deleted.
    ///
    /// # Errors
    /// If the tenant has no client with this identifier, or the database cannot be reached.
    pub async fn get_client(&self, tenant: &TenantId, id: &ClientId) -> Result<Client, StoreError> {
        let found = self.read(existing(tenant, id)).await?;
        found.ok_or(StoreError::ClientNotFound)?.into_client()
    }

    /// Finds a client of any tenant, deleted or not.
    ///
    /// # Errors
    /// If the database cannot be reached.
    pub async fn find_client(&self, id: &ClientId) -> Result<Option<ClientRecord>, StoreError> {
        self.read(Condition::all().add(Column::ClientId.eq(id.as_str())))
            .await
    }

    /// Reads the one client that a condition selects, in one query, so that the client and its secrets are of one state.
    async fn read(&self, condition: Condition) -> Result<Option<ClientRecord>, StoreError> {
        let store = self.clone();
        detached(|_| async move {
            let connection = store.reader().await?;
            let mut found = Entity::find()
                .filter(condition)
                .find_with_related(secret::Entity)
                .order_by_asc(secret::Column::CreatedAt)
                .all(&connection)
                .await?;
            Ok(found.pop().map(|(row, secrets)| ClientRecord { row, secrets }))
        })
        .await
    }
}

impl ClientRecord {
    pub(super) fn new(row: Model, secrets: Vec<secret::Model>) -> Self {
        Self { row, secrets }
    }

    /// Returns the tenant that owns the client.
    ///
    /// # Errors
    /// If the row is corrupt.
    pub fn tenant(&self) -> Result<TenantId, StoreError> {
        tenant(&self.row.tenant_id, &self.row.client_id)
    }

    /// Returns `true` if the client is deleted.
    pub fn is_deleted(&self) -> bool {
        self.row.deleted_at.is_some()
    }

    /// Returns `true` if the client is disabled.
    pub fn is_disabled(&self) -> bool {
        self.row.disable_tag.is_some()
    }

    /// Returns the client.
    ///
    /// # Errors
    /// If its rows are corrupt.
    pub fn into_client(self) -> Result<Client, StoreError> {
        let secrets = self
            .secrets
            .iter()
            .map(secrets::from_row)
            .collect::<Result<_, _>>()?;
        Ok(from_row(self.row, secrets)?)
    }
}

/// Parses the tenant of a client's row.
pub(super) fn tenant(name: &str, client_id: &str) -> Result<TenantId, StoreError> {
    let corrupt = |_| Corrupt {
        table: "oauth_clients",
        column: "tenant_id",
        client_id: client_id.to_owned(),
    };
    Ok(TenantId::parse(name).map_err(corrupt)?)
}
