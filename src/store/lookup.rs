//! Finding a client by its id alone, whatever its tenant and state, for authorization servers. This is the only query
//! that does not begin with a tenant.

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
    secret::{Hint, SecretHash},
};

/// A client as its rows say it. Little is read of them before a secret was checked, so that it takes as long to refuse
/// a client as to find none.
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
            let mut found = Entity::find()
                .filter(Column::ClientId.eq(id))
                .find_with_related(secret::Entity)
                .order_by_asc(secret::Column::CreatedAt)
                .all(&store.readers)
                .await?;
            Ok(found.pop().map(|(row, secrets)| ClientRecord { row, secrets }))
        })
        .await
    }
}

impl ClientRecord {
    /// The tenant that owns the client.
    ///
    /// # Errors
    /// When the row holds none.
    pub fn tenant(&self) -> Result<TenantId, StoreError> {
        let corrupt = |_| Corrupt {
            table: "oauth_clients",
            column: "tenant_id",
            client_id: self.row.client_id.clone(),
        };
        Ok(TenantId::parse(&self.row.tenant_id).map_err(corrupt)?)
    }

    /// Whether the client was deleted.
    pub fn is_deleted(&self) -> bool {
        self.row.deleted_at.is_some()
    }

    /// Whether the client is disabled.
    pub fn is_disabled(&self) -> bool {
        self.row.disable_tag.is_some()
    }

    /// What is kept of a secret.
    pub fn secret_hash(&self, hint: &Hint) -> Option<SecretHash> {
        let secret = self.secrets.iter().find(|secret| secret.hint == hint.as_str())?;
        let hash: [u8; 32] = secret.hash.as_slice().try_into().ok()?;
        Some(SecretHash::from_bytes(hash))
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
