//! Reading the clients of changes, and the clients as they are.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use sea_orm::{
    ColumnTrait as _, Condition, EntityTrait as _, Order, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, QueryTrait as _,
};

use super::{change::WatchedChange, read::WatchScope};
use crate::{
    domain::ids::ClientId,
    store::{
        Store,
        cache::StoredClient,
        detached,
        entity::{
            client::{Column, Entity, Model},
            secret,
        },
        error::{Corrupt, StoreError},
    },
};

/// The most clients that are read at once, each of which may have 256 KiB.
const AT_ONCE: usize = 32;

impl Store {
    /// Adds their clients to changes.
    pub(super) async fn add_clients(&self, changes: &mut [WatchedChange]) -> Result<(), StoreError> {
        let ids: BTreeSet<String> = changes
            .iter()
            .filter_map(WatchedChange::client_id)
            .map(|id| id.as_str().to_owned())
            .collect();
        let found = self
            .read_clients(Condition::all().add(Column::ClientId.is_in(ids)))
            .await?;
        let mut clients = BTreeMap::new();
        for (row, secrets) in found {
            let id = row.client_id.clone();
            let client = match StoredClient::from_rows(row, &secrets) {
                Ok(client) => Ok(Some(Arc::new(client))),
                Err(StoreError::Corrupt(corrupt)) => Err(corrupt),
                Err(error) => return Err(error),
            };
            clients.insert(id, client);
        }
        for change in changes {
            let client = change.client_id().and_then(|id| clients.get(id.as_str()));
            let client: Result<Option<Arc<StoredClient>>, Corrupt> = client.cloned().unwrap_or(Ok(None));
            change.set_client(client);
        }
        Ok(())
    }

    /// Reads the next clients that are watched and not deleted, by identifier. There are no more if there are none.
    pub(super) async fn clients_after(
        &self,
        scope: &WatchScope,
        after: Option<&ClientId>,
    ) -> Result<Vec<Arc<StoredClient>>, StoreError> {
        let mut condition = Condition::all().add(Column::DeletedAt.is_null());
        if let Some(tenant) = &scope.tenant {
            condition = condition.add(Column::TenantId.eq(tenant.as_str()));
        }
        if let Some(clients) = &scope.clients {
            condition = condition.add(Column::ClientId.is_in(clients.iter().map(ClientId::as_str)));
        }
        if let Some(after) = after {
            condition = condition.add(Column::ClientId.gt(after.as_str()));
        }
        // In one statement with the secrets, so that each client is of one state.
        let next = Entity::find()
            .select_only()
            .column(Column::ClientId)
            .filter(condition)
            .order_by(Column::ClientId, Order::Asc)
            .limit(AT_ONCE as u64)
            .into_query();
        let found = self
            .read_clients(Condition::all().add(Column::ClientId.in_subquery(next)))
            .await?;
        let mut clients = found
            .into_iter()
            .map(|(row, secrets)| StoredClient::from_rows(row, &secrets).map(Arc::new))
            .collect::<Result<Vec<_>, _>>()?;
        clients.sort_by(|a, b| a.id().as_str().cmp(b.id().as_str()));
        Ok(clients)
    }

    async fn read_clients(
        &self,
        condition: Condition,
    ) -> Result<Vec<(Model, Vec<secret::Model>)>, StoreError> {
        let store = self.clone();
        detached(|_| async move {
            // The number of identifiers differs each time.
            let connection = store.reader().await?.without_cache();
            let found = Entity::find()
                .filter(condition)
                .find_with_related(secret::Entity)
                .order_by_asc(Column::ClientId)
                .order_by_asc(secret::Column::CreatedAt);
            Ok(found.all(&connection).await?)
        })
        .await
    }
}

/// Splits changes into parts whose clients are read at once.
pub(super) fn parts(changes: Vec<WatchedChange>) -> impl Iterator<Item = Vec<WatchedChange>> {
    let mut rest = changes.into_iter();
    std::iter::from_fn(move || {
        let part: Vec<WatchedChange> = rest.by_ref().take(AT_ONCE).collect();
        (!part.is_empty()).then_some(part)
    })
}
