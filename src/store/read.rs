//! Reading one client: of a tenant, for administrators; or by its identifier alone, whatever its tenant and state, for
//! authorization servers. The latter and the query for a stored credential are the only ones that do not begin with a
//! tenant.

use std::sync::Arc;

use sea_orm::{ColumnTrait as _, Condition, EntityTrait as _, QueryFilter as _, QueryOrder as _};

use super::{
    Store,
    cache::StoredClient,
    detached,
    entity::{
        client::{Column, Entity},
        secret,
    },
    error::{Corrupt, StoreError},
    rows::existing,
};
use crate::domain::ids::{ClientId, TenantId};

impl Store {
    /// Reads a client that is not deleted.
    ///
    /// # Errors
    /// If the tenant has no client with this identifier, or the database cannot be reached.
    pub async fn get_client(
        &self,
        tenant: &TenantId,
        id: &ClientId,
    ) -> Result<Arc<StoredClient>, StoreError> {
        let found = self.read(id, existing(tenant, id)).await?;
        found.ok_or(StoreError::ClientNotFound)
    }

    /// Finds a client of any tenant, deleted or not.
    ///
    /// # Errors
    /// If the database cannot be reached.
    pub async fn find_client(&self, id: &ClientId) -> Result<Option<Arc<StoredClient>>, StoreError> {
        self.read(id, Condition::all().add(Column::ClientId.eq(id.as_str())))
            .await
    }

    /// Reads the one client that a condition selects, in one query, so that the client and its secrets are of one state.
    /// Memory then holds it, unless it is deleted.
    async fn read(
        &self,
        id: &ClientId,
        condition: Condition,
    ) -> Result<Option<Arc<StoredClient>>, StoreError> {
        let place = self.admission.read().await?;
        let fill = self.cache.begin_fill(id);
        let found = detached(|_| async move {
            let connection = place.connect().await?;
            let mut found = Entity::find()
                .filter(condition)
                .find_with_related(secret::Entity)
                .order_by_asc(secret::Column::CreatedAt)
                .all(&connection)
                .await?;
            Ok::<_, StoreError>(found.pop())
        })
        .await?;
        let Some((row, secrets)) = found else {
            return Ok(None);
        };
        let client = Arc::new(StoredClient::from_rows(row, &secrets)?);
        self.cache.fill(fill, &client);
        Ok(Some(client))
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
