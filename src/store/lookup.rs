//! Finding a client by its id alone, whatever its tenant and state, for authorization servers. This and the
//! query for a presented secret are the only ones that do not begin with a tenant.

use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _};

use super::{
    Store,
    clients::from_row,
    detached,
    entity::{
        client::{Column, Entity, Model},
        secret,
    },
    error::{Corrupt, StoreError},
    secrets,
};
use crate::domain::{
    client::Client,
    ids::{ClientId, TenantId},
};

/// A client of some tenant, in some state, as its rows say it.
#[derive(Debug)]
pub struct ClientRecord {
    row: Model,
    secrets: Vec<secret::Model>,
}

impl Store {
    /// Finds a client of any tenant, also a deleted one.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn find_client(&self, id: &ClientId) -> Result<Option<ClientRecord>, StoreError> {
        let (store, id) = (self.clone(), id.as_str().to_owned());
        detached(|_| async move {
            let connection = store.reader().await?;
            let mut found = Entity::find()
                .filter(Column::ClientId.eq(id))
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

    /// The tenant that owns the client.
    ///
    /// # Errors
    /// When the row holds none.
    pub fn tenant(&self) -> Result<TenantId, StoreError> {
        tenant(&self.row.tenant_id, &self.row.client_id)
    }

    /// Whether the client was deleted.
    pub fn is_deleted(&self) -> bool {
        self.row.deleted_at.is_some()
    }

    /// Whether the client is disabled.
    pub fn is_disabled(&self) -> bool {
        self.row.disable_tag.is_some()
    }

    /// The client.
    ///
    /// # Errors
    /// When its rows do not say one.
    pub fn into_client(self) -> Result<Client, StoreError> {
        let secrets = self
            .secrets
            .iter()
            .map(secrets::from_row)
            .collect::<Result<_, _>>()?;
        Ok(from_row(self.row, secrets)?)
    }
}

/// The tenant of a client's row.
pub(super) fn tenant(name: &str, client_id: &str) -> Result<TenantId, StoreError> {
    let corrupt = |_| Corrupt {
        table: "oauth_clients",
        column: "tenant_id",
        client_id: client_id.to_owned(),
    };
    Ok(TenantId::parse(name).map_err(corrupt)?)
}
