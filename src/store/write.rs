//! Adding and changing clients.

use std::sync::Arc;

use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QuerySelect as _};
use tokio::time::Instant;

use super::{
    Store,
    cache::Cache,
    changes::{self, Author, Change},
    connection::Connection,
    entity::client::{ActiveModel, Column, Entity},
    error::{StoreError, UpdateError},
    kept_responses::{self, Once, once},
    rows::{existing, to_row, with_secrets},
    secrets,
    work::{TIMEOUT, Waiting, detached},
};
use crate::domain::{
    change_type::ChangeType,
    change_update::ChangeUpdate,
    client::Client,
    ids::{ClientId, TenantId},
};

impl Store {
    /// Adds a client.
    ///
    /// # Errors
    /// If the database cannot be reached.
    pub async fn insert_client(
        &self,
        tenant: &TenantId,
        client: &Client,
        author: &Author,
    ) -> Result<(), StoreError> {
        self.insert_clients(tenant, std::slice::from_ref(client), author)
            .await
    }

    /// Adds a client, unless the same request did so before, and returns the response: the first one, if there was one.
    ///
    /// # Errors
    /// If the key is that of another request, or the database cannot be reached.
    pub async fn insert_client_once<T: Send + Sync + 'static>(
        &self,
        tenant: &TenantId,
        client: &Client,
        author: &Author,
        key: Option<Once<T>>,
        response: T,
    ) -> Result<T, StoreError> {
        let (store, tenant, client, author) = (self.clone(), tenant.clone(), client.clone(), author.clone());
        let place = self.admission.change().await?;
        detached(|waiting| async move {
            let transaction = store.begin_write(place.connect().await?).await?;
            let inserted = async {
                insert(&tenant, &[client], &author, &transaction, &waiting).await?;
                Ok(response)
            };
            let within = store.within(&transaction, &waiting);
            let outcome = once(key.as_ref(), &tenant, &within, inserted).await;
            transaction.end(outcome).await
        })
        .await
    }

    /// Adds several clients, all or none. A database accepts about a thousand at once.
    ///
    /// # Errors
    /// If the database cannot be reached, or refuses so many.
    pub async fn insert_clients(
        &self,
        tenant: &TenantId,
        clients: &[Client],
        author: &Author,
    ) -> Result<(), StoreError> {
        let (store, tenant, clients, author) =
            (self.clone(), tenant.clone(), clients.to_vec(), author.clone());
        let place = self.admission.change().await?;
        detached(|waiting| async move {
            let transaction = store.begin_write(place.connect().await?).await?;
            let inserted = insert(&tenant, &clients, &author, &transaction, &waiting).await;
            transaction.end(inserted).await
        })
        .await
    }

    /// Changes a client: reads it, applies `change`, and writes the difference and a record of it, in one transaction for
    /// which other changes of the client wait. If `change` refuses, or changes nothing, nothing is written. Those of this
    /// server wait in line, without a connection; a change whose turn does not come in 3 seconds is not made.
    ///
    /// Whatever the outcome, it is returned only after the fence, when no server answers from a memory that is older. The
    /// wait holds nothing.
    ///
    /// # Errors
    /// The error of `change`; or the tenant has no client with this identifier, or the database cannot be reached.
    pub async fn update_client<T, E>(
        &self,
        tenant: &TenantId,
        id: &ClientId,
        change_type: ChangeType,
        author: &Author,
        change: impl FnOnce(&mut Client) -> Result<T, E> + Send + 'static,
    ) -> Result<T, UpdateError<E>>
    where
        T: Send + Sync + 'static,
        E: Send + 'static,
    {
        self.update_client_once(tenant, id, change_type, author, None, change)
            .await
    }

    /// Changes a client in the same way, unless the same request did so before: then its outcome is the first one, and
    /// nothing is read or written.
    ///
    /// # Errors
    /// The same, or the key is that of another request.
    pub async fn update_client_once<T, E>(
        &self,
        tenant: &TenantId,
        id: &ClientId,
        change_type: ChangeType,
        author: &Author,
        key: Option<Once<T>>,
        change: impl FnOnce(&mut Client) -> Result<T, E> + Send + 'static,
    ) -> Result<T, UpdateError<E>>
    where
        T: Send + Sync + 'static,
        E: Send + 'static,
    {
        let update = Update {
            tenant: tenant.clone(),
            id: id.clone(),
            change_type,
            author: author.clone(),
        };
        let store = self.clone();
        let changed = async {
            let turn = self.admission.change_of(id).await?;
            let place = self.admission.change().await?;
            detached(|waiting| async move {
                let _turn = turn;
                let transaction = store.begin_write(place.connect().await?).await?;
                let mut drop_from_memory = DropFromMemory::new(&store, &update.id);
                let changed = update.run(change, &transaction, &waiting);
                let within = store.within(&transaction, &waiting);
                let changed = once(key.as_ref(), &update.tenant, &within, changed).await;
                let outcome = transaction.end(changed).await;
                drop_from_memory.outcome_is_known = outcome
                    .as_ref()
                    .err()
                    .is_none_or(UpdateError::nothing_was_written);
                drop(drop_from_memory);
                Ok::<_, UpdateError<E>>((outcome, now()))
            })
            .await
        };
        // The turn and the change together, as the turn may come late.
        let changed = tokio::time::timeout(TIMEOUT, changed).await;
        let (outcome, ended) = changed.unwrap_or_else(|_| Err(StoreError::timed_out().into()))?;
        tokio::time::sleep_until(ended + self.fence_wait()).await;
        outcome
    }

    fn within<'a>(
        &self,
        connection: &'a Connection,
        waiting: &'a Waiting,
    ) -> kept_responses::Transaction<'a> {
        kept_responses::Transaction {
            dialect: self.dialect,
            connection,
            waiting,
        }
    }
}

/// A change of one client.
struct Update {
    tenant: TenantId,
    id: ClientId,
    change_type: ChangeType,
    author: Author,
}

impl Update {
    async fn run<T, E>(
        &self,
        change: impl FnOnce(&mut Client) -> Result<T, E>,
        transaction: &Connection,
        waiting: &Waiting,
    ) -> Result<T, UpdateError<E>> {
        let found = Entity::find()
            .filter(existing(&self.tenant, &self.id))
            .lock_exclusive()
            .one(transaction)
            .await?;
        let row = found.ok_or(StoreError::ClientNotFound)?;
        let found = with_secrets(&self.tenant, vec![row], transaction).await?.pop();
        let before = found.ok_or(StoreError::ClientNotFound)?;
        let mut after = before.clone();
        let outcome = change(&mut after).map_err(UpdateError::Refused)?;
        if after != before {
            self.write(&before, &after, transaction).await?;
            waiting.check()?;
        }
        Ok(outcome)
    }

    async fn write(
        &self,
        before: &Client,
        after: &Client,
        transaction: &Connection,
    ) -> Result<(), StoreError> {
        let outcome = Entity::update_many()
            .set(to_row(&self.tenant, after)?)
            .filter(existing(&self.tenant, &self.id))
            .filter(Column::Version.eq(before.revision.number()))
            .exec(transaction)
            .await?;
        if outcome.rows_affected == 0 {
            return Err(StoreError::ConcurrentChange);
        }
        secrets::write_difference(&self.tenant, &before.secrets, after, transaction).await?;
        let kind = self.change_type.between(before, after);
        let change = Change {
            tenant: &self.tenant,
            client: after,
            kind,
            author: &self.author,
            updates: ChangeUpdate::between(kind, before, after),
        };
        Ok(changes::record([change], transaction).await?)
    }
}

/// Drops a client from memory when this is dropped: after its transaction, or while it may still be committed.
struct DropFromMemory {
    cache: Arc<Cache>,
    id: ClientId,
    outcome_is_known: bool,
}

impl DropFromMemory {
    fn new(store: &Store, id: &ClientId) -> Self {
        Self {
            cache: store.cache.clone(),
            id: id.clone(),
            outcome_is_known: false,
        }
    }
}

impl Drop for DropFromMemory {
    fn drop(&mut self) {
        self.cache.changed(&self.id, self.outcome_is_known);
    }
}

async fn insert(
    tenant: &TenantId,
    clients: &[Client],
    author: &Author,
    transaction: &Connection,
    waiting: &Waiting,
) -> Result<(), StoreError> {
    let rows = clients.iter().map(|client| to_row(tenant, client));
    let rows: Vec<ActiveModel> = rows.collect::<Result<_, _>>()?;
    Entity::insert_many(rows)
        .exec_without_returning(transaction)
        .await?;
    secrets::insert(tenant, clients, transaction).await?;
    let created = clients.iter().map(|client| Change {
        tenant,
        client,
        kind: ChangeType::Created,
        author,
        updates: Vec::new(),
    });
    changes::record(created, transaction).await?;
    waiting.check()
}

/// Returns the time at which the database has answered.
#[expect(
    clippy::disallowed_methods,
    reason = "the fence counts from the answer of the database"
)]
fn now() -> Instant {
    Instant::now()
}
