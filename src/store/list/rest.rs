//! The clients of a page that memory does not hold.

use std::{collections::HashMap, sync::Arc};

use sea_orm::{
    ColumnTrait as _, EntityTrait as _, FromQueryResult as _, QueryFilter as _, QuerySelect as _,
    QueryTrait as _, Statement, sea_query::Expr,
};

use super::clients::ListedClient;
use crate::{
    domain::ids::TenantId,
    store::{
        Store,
        cache::StoredClient,
        connection::Connection,
        dialect::Dialect,
        entity::client::{Column, Entity, Model},
        error::StoreError,
        secrets,
        session::Prepared,
    },
};

/// Reads the clients that are missing, in one statement. One that is no longer there in the listed version stays missing.
/// Memory then holds those that were read.
pub(super) async fn read(
    store: &Store,
    tenant: &TenantId,
    listed: &[ListedClient],
    clients: &mut [Option<Arc<StoredClient>>],
    connection: &Connection,
) -> Result<(), StoreError> {
    let mut missing: HashMap<&str, _> = HashMap::new();
    for (listed, client) in listed.iter().zip(clients) {
        if client.is_none() {
            let fill = store.cache.begin_fill(&listed.key.client_id);
            missing.insert(listed.key.client_id.as_str(), (listed.version, fill, client));
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let statement = statement(tenant, missing.keys().copied().collect(), store.dialect);
    for row in connection.query_all(statement, Prepared::Kept).await? {
        let client = Model::from_query_result(&row, "")?;
        let secrets = secrets::from_json(&client, row.try_get("", secrets::AS_JSON)?)?;
        let Some((version, fill, place)) = missing.remove(client.client_id.as_str()) else {
            continue;
        };
        let client = Arc::new(StoredClient::from_rows(client, &secrets)?);
        store.cache.fill(fill, &client);
        *place = Some(client).filter(|client| client.version() == version);
    }
    Ok(())
}

fn statement(tenant: &TenantId, mut ids: Vec<&str>, dialect: &'static Dialect) -> Statement {
    // Repeating the last one gives the statement one of few lengths, so that few are prepared.
    if let Some(last) = ids.last().copied() {
        ids.resize(ids.len().next_power_of_two(), last);
    }
    Entity::find()
        .expr_as(Expr::cust(dialect.secrets_of_client.as_str()), secrets::AS_JSON)
        .filter(Column::TenantId.eq(tenant.as_str()))
        .filter(Column::DeletedAt.is_null())
        .filter(Column::ClientId.is_in(ids))
        .build(dialect.backend)
}
