//! The stored credential of a client: one query, which takes as long, but for microseconds, whatever it finds.

use std::{fmt, sync::Arc};

use sea_orm::{
    ConnectionTrait as _, DbErr, FromQueryResult as _, IdenStatic as _, Iterable as _, QueryResult, Statement,
};

use super::{
    Store,
    cache::{Cache, Fill, StoredClient},
    detached,
    entity::client,
    error::StoreError,
    read::tenant,
    secrets,
};
use crate::domain::{
    ids::{ClientId, TenantId},
    secret::{Hint, SecretHash},
};

/// The prefix of the client's columns.
const CLIENT: &str = "client_";

/// The stored counterpart of a secret that a client presents. The rest of the client is not decoded before the secret
/// has been compared, so that rejecting a client takes as long, but for microseconds, as finding none.
pub struct StoredCredential {
    /// The state of the client, if there is one.
    pub owner: Option<Owner>,
    /// The hash of the secret with the presented hint, if there is one.
    pub hash: Option<SecretHash>,
    row: QueryResult,
    cache: Arc<Cache>,
    fill: Fill,
}

/// The state of a client.
#[derive(Debug)]
pub struct Owner {
    /// The tenant that owns the client.
    pub tenant: TenantId,
    /// Is `true` if the client is deleted.
    pub is_deleted: bool,
    /// Is `true` if the client is disabled.
    pub is_disabled: bool,
}

impl Store {
    /// Finds the stored credential of a client of any tenant and state.
    ///
    /// # Errors
    /// If the database cannot be reached.
    pub async fn find_credential(&self, id: &ClientId, hint: &Hint) -> Result<StoredCredential, StoreError> {
        let place = self.admission.read().await?;
        let fill = self.cache.begin_fill(id);
        let (store, id, hint) = (self.clone(), id.clone(), hint.clone());
        detached(|_| async move {
            let values = [id.as_str().into(), hint.as_str().into()];
            let query = store.dialect.find_credential.as_str();
            let query = Statement::from_sql_and_values(store.dialect.backend, query, values);
            let row = place.connect().await?.query_one_raw(query).await?;
            let always = || DbErr::RecordNotFound("a row that is always there".to_owned());
            StoredCredential::read(&store, &id, row.ok_or_else(always)?, fill)
        })
        .await
    }
}

/// Returns the query for a credential, with an aggregate that makes the secrets of a client [JSON](secrets::from_json). The
/// query always finds one row, whose columns of the client and list of secrets,
/// which take long to read, are empty unless the client has a secret with the hint.
pub(super) fn query(secrets_as_json: &str) -> String {
    let client = client::Column::iter().map(|column| {
        let name = column.as_str();
        format!("client.{name} AS {CLIENT}{name}")
    });
    let client = client.collect::<Vec<_>>().join(", ");
    format!(
        "SELECT owner.tenant_id, owner.deleted_at, owner.disable_tag, named.hash, {client}, \
         (SELECT {secrets_as_json} FROM oauth_client_secrets AS secret \
         WHERE secret.tenant_id = named.tenant_id AND secret.client_id = named.client_id) AS secrets \
         FROM (SELECT 1) AS always \
         LEFT JOIN oauth_clients AS owner ON owner.client_id = $1 \
         LEFT JOIN oauth_client_secrets AS named \
         ON named.tenant_id = owner.tenant_id AND named.client_id = owner.client_id AND named.hint = $2 \
         LEFT JOIN oauth_clients AS client \
         ON client.tenant_id = named.tenant_id AND client.client_id = named.client_id"
    )
}

impl StoredCredential {
    fn read(store: &Store, id: &ClientId, row: QueryResult, fill: Fill) -> Result<Self, StoreError> {
        let owner: Option<String> = row.try_get("", "tenant_id")?;
        let owner = owner.map(|name| {
            Ok::<_, StoreError>(Owner {
                tenant: tenant(&name, id.as_str())?,
                is_deleted: row.try_get::<Option<i64>>("", "deleted_at")?.is_some(),
                is_disabled: row.try_get::<Option<String>>("", "disable_tag")?.is_some(),
            })
        });
        let hash: Option<Vec<u8>> = row.try_get("", "hash")?;
        let hash = hash.and_then(|hash| hash.try_into().ok());
        Ok(Self {
            owner: owner.transpose()?,
            hash: hash.map(SecretHash::from_bytes),
            row,
            cache: store.cache.clone(),
            fill,
        })
    }

    /// Returns the client, whose secret has been compared by now. Memory then holds it.
    ///
    /// # Errors
    /// If its rows are corrupt.
    pub fn into_client(self) -> Result<Arc<StoredClient>, StoreError> {
        let client = client::Model::from_query_result(&self.row, CLIENT)?;
        let secrets = secrets::from_json(&client, self.row.try_get("", secrets::AS_JSON)?)?;
        let client = Arc::new(StoredClient::from_rows(client, &secrets)?);
        self.cache.fill(self.fill, &client);
        Ok(client)
    }
}

/// Omits the row, which holds hashes.
impl fmt::Debug for StoredCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredCredential")
            .field("owner", &self.owner)
            .finish_non_exhaustive()
    }
}
