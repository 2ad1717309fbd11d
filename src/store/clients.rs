//! Reading and writing one client.

use std::collections::HashMap;

use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait, DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, Set,
};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    Store, Waiting,
    connection::Connection,
    detached,
    entity::{
        client::{ActiveModel, Column, Entity, Model},
        secret,
    },
    error::{Corrupt, StoreError, UpdateError},
    secrets,
};
use crate::domain::{
    client::Client,
    ids::{ClientId, TenantId},
    metadata::{ClientDraft, Metadata},
    secret::StoredSecret,
    text::fold_case,
    timestamp::Timestamp,
};

impl Store {
    /// Adds a client.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn insert_client(&self, tenant: &TenantId, client: &Client) -> Result<(), StoreError> {
        self.insert_clients(tenant, std::slice::from_ref(client)).await
    }

    /// Adds several clients, all or none. A database takes about a thousand at once.
    ///
    /// # Errors
    /// When the database cannot be reached, or refuses so many.
    pub async fn insert_clients(&self, tenant: &TenantId, clients: &[Client]) -> Result<(), StoreError> {
        let (store, tenant, clients) = (self.clone(), tenant.clone(), clients.to_vec());
        detached(|waiting| async move {
            let transaction = store.begin_write().await?;
            let inserted = insert(&tenant, &clients, &transaction, &waiting).await;
            transaction.end(inserted).await
        })
        .await
    }

    /// Reads a client that is not deleted.
    ///
    /// # Errors
    /// When the tenant has none with this id, or the database cannot be reached.
    pub async fn get_client(&self, tenant: &TenantId, id: &ClientId) -> Result<Client, StoreError> {
        let (store, is_it) = (self.clone(), is(tenant, id));
        detached(|_| async move {
            let connection = store.reader().await?;
            // One query, so that the client and its secrets are of one state.
            let mut found = Entity::find()
                .filter(is_it)
                .find_with_related(secret::Entity)
                .order_by_asc(secret::Column::CreatedAt)
                .all(&connection)
                .await?;
            let (row, secrets) = found.pop().ok_or(StoreError::ClientNotFound)?;
            let secrets = secrets.iter().map(secrets::from_row).collect::<Result<_, _>>()?;
            Ok(from_row(row, secrets)?)
        })
        .await
    }

    /// Changes a client: reads it, lets `change` act on it, and writes what is different, all in one transaction that
    /// other changes of the client wait for. When `change` refuses, or changes nothing, nothing is written.
    ///
    /// # Errors
    /// What `change` said; or the tenant has no client with this id, or the database cannot be reached.
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
        let (store, tenant, is_it) = (self.clone(), tenant.clone(), is(tenant, id));
        detached(|waiting| async move {
            let transaction = store.begin_write().await?;
            let changed = change_locked(&tenant, is_it, change, &transaction, &waiting).await;
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
    is_it: Condition,
    change: impl FnOnce(&mut Client) -> Result<T, E>,
    transaction: &Connection,
    waiting: &Waiting,
) -> Result<T, UpdateError<E>> {
    let found = Entity::find()
        .filter(is_it)
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
        .filter(is(tenant, &after.id))
        .filter(Column::Version.eq(version))
        .exec(transaction)
        .await?;
    if outcome.rows_affected == 0 {
        return Err(StoreError::ConcurrentChange);
    }
    Ok(secrets::write_difference(tenant, &before.secrets, after, transaction).await?)
}

/// The one row of a client that is not deleted.
fn is(tenant: &TenantId, id: &ClientId) -> Condition {
    Condition::all()
        .add(Column::TenantId.eq(tenant.as_str()))
        .add(Column::ClientId.eq(id.as_str()))
        .add(Column::DeletedAt.is_null())
}

/// The clients of some rows, with their secrets.
pub(super) async fn with_secrets(
    tenant: &TenantId,
    rows: Vec<Model>,
    connection: &impl ConnectionTrait,
) -> Result<Vec<Client>, StoreError> {
    let ids = rows.iter().map(|row| row.client_id.clone());
    let mut secrets: HashMap<String, Vec<StoredSecret>> = secrets::read(tenant, ids, connection).await?;
    rows.into_iter()
        .map(|row| {
            let secrets = secrets.remove(&row.client_id).unwrap_or_default();
            Ok(from_row(row, secrets)?)
        })
        .collect()
}

fn to_row(tenant: &TenantId, client: &Client, version: i64) -> Result<ActiveModel, StoreError> {
    let metadata = &client.metadata;
    let name = metadata.client_name.clone().unwrap_or_default();
    Ok(ActiveModel {
        tenant_id: Set(tenant.as_str().to_owned()),
        client_id: Set(client.id.as_str().to_owned()),
        version: Set(version),
        app_type: Set(metadata.app_type.clone()),
        client_name_folded: Set(fold_case(&name)),
        client_name: Set(name),
        description: Set(metadata.description.clone()),
        logo_uri: Set(metadata.logo_uri.clone()),
        client_uri: Set(metadata.client_uri.clone()),
        redirect_uris: Set(to_json(&metadata.redirect_uris)?),
        allowed_origins: Set(to_json(&metadata.allowed_origins)?),
        allowed_scopes: Set(to_json(&metadata.allowed_scopes)?),
        allowed_grant_types: Set(to_json(&metadata.allowed_grant_types)?),
        allowed_auth_methods: Set(to_json(&metadata.allowed_auth_methods)?),
        public_keys: Set(to_json(&metadata.public_keys)?),
        consent_method: Set(metadata.consent_method.clone()),
        disable_tag: Set(client.disable_tag.clone()),
        created_at: Set(client.created_at.as_micros()),
        updated_at: Set(client.updated_at.as_micros()),
        deleted_at: Set(client.deleted_at.map(Timestamp::as_micros)),
        published_at: Set(metadata.published_at.map(Timestamp::as_micros)),
    })
}

fn to_json<T: Serialize>(list: &[T]) -> Result<String, DbErr> {
    serde_json::to_string(list).map_err(|error| DbErr::Json(error.to_string()))
}

pub(super) fn from_row(row: Model, secrets: Vec<StoredSecret>) -> Result<Client, Corrupt> {
    let corrupt = |column| Corrupt {
        table: "oauth_clients",
        column,
        client_id: row.client_id.clone(),
    };
    let id = ClientId::parse(&row.client_id).map_err(|_| corrupt("client_id"))?;
    let draft = ClientDraft {
        redirect_uris: from_json(&row.redirect_uris).ok_or_else(|| corrupt("redirect_uris"))?,
        allowed_origins: from_json(&row.allowed_origins).ok_or_else(|| corrupt("allowed_origins"))?,
        allowed_scopes: from_json(&row.allowed_scopes).ok_or_else(|| corrupt("allowed_scopes"))?,
        allowed_grant_types: from_json(&row.allowed_grant_types)
            .ok_or_else(|| corrupt("allowed_grant_types"))?,
        allowed_auth_methods: from_json(&row.allowed_auth_methods)
            .ok_or_else(|| corrupt("allowed_auth_methods"))?,
        public_keys: from_json(&row.public_keys).ok_or_else(|| corrupt("public_keys"))?,
        app_type: row.app_type.clone(),
        client_name: Some(row.client_name.clone()),
        description: row.description.clone(),
        logo_uri: row.logo_uri.clone(),
        client_uri: row.client_uri.clone(),
        consent_method: row.consent_method.clone(),
        published_at: row.published_at.map(Timestamp::from_micros),
        read_only_members: Vec::new(),
    };
    Ok(Client {
        id,
        metadata: Metadata::restore(draft).ok_or_else(|| corrupt("app_type"))?,
        secrets,
        created_at: Timestamp::from_micros(row.created_at),
        updated_at: Timestamp::from_micros(row.updated_at),
        deleted_at: row.deleted_at.map(Timestamp::from_micros),
        disable_tag: row.disable_tag,
    })
}

fn from_json<T: DeserializeOwned>(text: &str) -> Option<Vec<T>> {
    serde_json::from_str(text).ok()
}
