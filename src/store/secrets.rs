//! Secrets as rows, and rows as secrets.

use std::collections::HashMap;

use sea_orm::{
    ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _, Set,
};

use super::{
    entity::{
        client,
        secret::{ActiveModel, Column, Entity, Model},
    },
    error::{Corrupt, StoreError},
};
use crate::domain::{
    client::Client,
    ids::{ClientId, Subject, TenantId},
    secret::{Hint, SecretHash, StoredSecret},
    timestamp::Timestamp,
};

/// Reads the secrets of several clients, each client's oldest first.
pub(super) async fn read(
    tenant: &TenantId,
    clients: impl IntoIterator<Item = String>,
    connection: &impl ConnectionTrait,
) -> Result<HashMap<String, Vec<StoredSecret>>, StoreError> {
    let mut clients: Vec<String> = clients.into_iter().collect();
    // Repeating the last one gives the statement one of few lengths, so that few are prepared.
    if let Some(last) = clients.last().cloned() {
        clients.resize(clients.len().next_power_of_two(), last);
    }
    let rows = Entity::find()
        .filter(Column::TenantId.eq(tenant.as_str()))
        .filter(Column::ClientId.is_in(clients))
        .order_by_asc(Column::CreatedAt)
        .all(connection)
        .await?;
    let mut secrets: HashMap<String, Vec<StoredSecret>> = HashMap::new();
    for row in rows {
        let secret = from_row(&row)?;
        secrets.entry(row.client_id).or_default().push(secret);
    }
    Ok(secrets)
}

/// Writes the difference between the secrets of a client before and after a change.
pub(super) async fn write_difference(
    tenant: &TenantId,
    before: &[StoredSecret],
    after: &Client,
    connection: &impl ConnectionTrait,
) -> Result<(), DbErr> {
    let gone = before.iter().filter(|secret| !after.secrets.contains(secret));
    let hints: Vec<&str> = gone.map(|secret| secret.hint.as_str()).collect();
    if !hints.is_empty() {
        Entity::delete_many()
            .filter(Column::TenantId.eq(tenant.as_str()))
            .filter(Column::ClientId.eq(after.id.as_str()))
            .filter(Column::Hint.is_in(hints))
            .exec(connection)
            .await?;
    }
    let new = after.secrets.iter().filter(|secret| !before.contains(secret));
    insert_rows(
        new.map(|secret| to_row(tenant, &after.id, secret)).collect(),
        connection,
    )
    .await
}

/// Writes the secrets of new clients.
pub(super) async fn insert(
    tenant: &TenantId,
    clients: &[Client],
    connection: &impl ConnectionTrait,
) -> Result<(), DbErr> {
    let rows = clients.iter().flat_map(|client| {
        client
            .secrets
            .iter()
            .map(|secret| to_row(tenant, &client.id, secret))
    });
    insert_rows(rows.collect(), connection).await
}

async fn insert_rows(rows: Vec<ActiveModel>, connection: &impl ConnectionTrait) -> Result<(), DbErr> {
    if !rows.is_empty() {
        Entity::insert_many(rows)
            .exec_without_returning(connection)
            .await?;
    }
    Ok(())
}

fn to_row(tenant: &TenantId, client: &ClientId, secret: &StoredSecret) -> ActiveModel {
    ActiveModel {
        tenant_id: Set(tenant.as_str().to_owned()),
        client_id: Set(client.as_str().to_owned()),
        hint: Set(secret.hint.as_str().to_owned()),
        hash: Set(secret.hash.as_bytes().to_vec()),
        created_at: Set(secret.created_at.as_micros()),
        created_by: Set(secret.created_by.as_str().to_owned()),
    }
}

/// The column of secrets as JSON.
pub(super) const AS_JSON: &str = "secrets";

/// Returns a subquery for the secrets of a row of `oauth_clients`, with an aggregate that makes them
/// [JSON](from_json).
pub(super) fn of_client(aggregate: &str) -> String {
    format!(
        "(SELECT {aggregate} FROM oauth_client_secrets AS secret \
         WHERE secret.tenant_id = oauth_clients.tenant_id AND secret.client_id = oauth_clients.client_id)"
    )
}

/// Reads the secrets of a client, oldest first, from a JSON array of `[hint, hash in hexadecimal, created_at, created_by]`.
/// PostgreSQL has null for an array of none.
pub(super) fn from_json(client: &client::Model, json: Option<String>) -> Result<Vec<Model>, Corrupt> {
    let corrupt = || Corrupt {
        table: "oauth_client_secrets",
        column: "hash",
        client_id: client.client_id.clone(),
    };
    let Some(json) = json else {
        return Ok(Vec::new());
    };
    let rows: Vec<(String, String, i64, String)> = serde_json::from_str(&json).map_err(|_| corrupt())?;
    let secrets = rows.into_iter().map(|(hint, hash, created_at, created_by)| {
        Ok(Model {
            tenant_id: client.tenant_id.clone(),
            client_id: client.client_id.clone(),
            hint,
            hash: hex::decode(hash).map_err(|_| corrupt())?,
            created_at,
            created_by,
        })
    });
    let mut secrets: Vec<Model> = secrets.collect::<Result<_, Corrupt>>()?;
    secrets.sort_by_key(|secret| secret.created_at);
    Ok(secrets)
}

pub(super) fn from_row(row: &Model) -> Result<StoredSecret, Corrupt> {
    let corrupt = |column| Corrupt {
        table: "oauth_client_secrets",
        column,
        client_id: row.client_id.clone(),
    };
    let hash: [u8; 32] = row.hash.as_slice().try_into().map_err(|_| corrupt("hash"))?;
    Ok(StoredSecret {
        hint: Hint::parse(&row.hint).map_err(|_| corrupt("hint"))?,
        hash: SecretHash::from_bytes(hash),
        created_at: Timestamp::from_micros(row.created_at),
        created_by: Subject::parse(&row.created_by).map_err(|_| corrupt("created_by"))?,
    })
}
