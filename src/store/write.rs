//! Adding and changing clients.

use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QuerySelect as _};

use super::{
    Store, Waiting,
    connection::Connection,
    detached,
    entity::client::{ActiveModel, Column, Entity},
    error::{StoreError, UpdateError},
    rows::{existing, to_row, with_secrets},
    secrets,
};
use crate::domain::{
    client::Client,
    ids::{ClientId, TenantId},
};

impl Store {
    /// Adds a client.
    ///
    /// # Errors
    /// If the database cannot be reached.
    pub async fn insert_client(&self, tenant: &TenantId, client: &Client) -> Result<(), StoreError> {
        self.insert_clients(tenant, std::slice::from_ref(client)).await
    }

    /// Adds several clients, all or none. A database accepts about a thousand at once.
    ///
    /// # Errors
    /// If the database cannot be reached, or refuses so many.
    pub async fn insert_clients(&self, tenant: &TenantId, clients: &[Client]) -> Result<(), StoreError> {
        let (store, tenant, clients) = (self.clone(), tenant.clone(), clients.to_vec());
        detached(|waiting| async move {
            let transaction = store.begin_write().await?;
            let inserted = insert(&tenant, &clients, &transaction, &waiting).await;
            transaction.end(inserted).await
        })
        .await
    }

    /// Changes a client: reads it, applies `change`, and writes the difference, in one transaction for which other changes
    /// of the client wait. If `change` refuses, or changes nothing, nothing is written.
    ///
    /// # Errors
    /// The error of `change`; or the tenant has no client with this identifier, or the database cannot be reached.
    pub async fn update_client<T, E>(
        &self,
        tenant: &TenantId,
        id: &ClientId,
        change: impl FnOnce(&mut Client) -> Result<T, E> + Send + 'static,
    ) -> Result<T, UpdateError<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        let (store, tenant, id) = (self.clone(), tenant.clone(), id.clone());
        detached(|waiting| async move {
            let transaction = store.begin_write().await?;
            let changed = change_locked(&tenant, &id, change, &transaction, &waiting).await;
            transaction.end(changed).await
        })
        .await
    }
}

async fn insert(
    tenant: &TenantId,
    clients: &[Client],
    transaction: &Connection,
    waiting: &Waiting,
) -> Result<(), StoreError> {
    let rows = clients.iter().map(|client| to_row(tenant, client, 1));
    let rows: Vec<ActiveModel> = rows.collect::<Result<_, _>>()?;
    Entity::insert_many(rows)
        .exec_without_returning(transaction)
        .await?;
    secrets::insert(tenant, clients, transaction).await?;
    waiting.check()
}

async fn change_locked<T, E>(
    tenant: &TenantId,
    id: &ClientId,
    change: impl FnOnce(&mut Client) -> Result<T, E>,
    transaction: &Connection,
    waiting: &Waiting,
) -> Result<T, UpdateError<E>> {
    let found = Entity::find()
        .filter(existing(tenant, id))
        .lock_exclusive()
        .one(transaction)
        .await?;
    let row = found.ok_or(StoreError::ClientNotFound)?;
    let version = row.version;
    let found = with_secrets(tenant, vec![row], transaction).await?.pop();
    let before = found.ok_or(StoreError::ClientNotFound)?;
    let mut after = before.clone();
    let outcome = change(&mut after).map_err(UpdateError::Refused)?;
    if after != before {
        write(tenant, &before, &after, version, transaction).await?;
        waiting.check()?;
    }
    Ok(outcome)
}

async fn write(
    tenant: &TenantId,
    before: &Client,
    after: &Client,
    version: i64,
    transaction: &Connection,
) -> Result<(), StoreError> {
    let outcome = Entity::update_many()
        .set(to_row(tenant, after, version + 1)?)
        .filter(existing(tenant, &after.id))
        .filter(Column::Version.eq(version))
        .exec(transaction)
        .await?;
    if outcome.rows_affected == 0 {
        return Err(StoreError::ConcurrentChange);
    }
    Ok(secrets::write_difference(tenant, &before.secrets, after, transaction).await?)
}
