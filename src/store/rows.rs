//! Clients as rows, and rows as clients.

use std::collections::HashMap;

use sea_orm::{ColumnTrait as _, Condition, ConnectionTrait, DbErr, Set};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    entity::client::{ActiveModel, Column, Model},
    error::{Corrupt, StoreError},
    secrets,
};
use crate::domain::{
    client::Client,
    ids::{ClientId, TenantId},
    metadata::{ClientDraft, Metadata},
    revision::Revision,
    secret::StoredSecret,
    text::fold_case,
    timestamp::Timestamp,
};

/// Selects the one row of a client that is not deleted.
pub(super) fn existing(tenant: &TenantId, id: &ClientId) -> Condition {
    Condition::all()
        .add(Column::TenantId.eq(tenant.as_str()))
        .add(Column::ClientId.eq(id.as_str()))
        .add(Column::DeletedAt.is_null())
}

/// Returns the clients of rows, with their secrets.
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

pub(super) fn to_row(tenant: &TenantId, client: &Client) -> Result<ActiveModel, StoreError> {
    let metadata = &client.metadata;
    let name = metadata.client_name.clone().unwrap_or_default();
    Ok(ActiveModel {
        tenant_id: Set(tenant.as_str().to_owned()),
        client_id: Set(client.id.as_str().to_owned()),
        version: Set(client.revision.number()),
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

pub(super) fn to_json<T: Serialize>(list: &[T]) -> Result<String, DbErr> {
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
        revision: Revision::from_number(row.version),
        metadata: Metadata::restore(draft).ok_or_else(|| corrupt("app_type"))?,
        secrets,
        created_at: Timestamp::from_micros(row.created_at),
        updated_at: Timestamp::from_micros(row.updated_at),
        deleted_at: row.deleted_at.map(Timestamp::from_micros),
        disable_tag: row.disable_tag,
    })
}

pub(super) fn from_json<T: DeserializeOwned>(text: &str) -> Option<Vec<T>> {
    serde_json::from_str(text).ok()
}
