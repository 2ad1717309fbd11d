//! What is kept of a secret that a client presents, in one query that takes as long whatever it finds.

use std::{fmt, sync::LazyLock};

use sea_orm::{ColumnTrait, ConnectionTrait as _, DbErr, FromQueryResult as _, QueryResult, Statement};

use super::{
    Store, detached,
    entity::{client, secret},
    error::StoreError,
    lookup::{ClientRecord, tenant},
};
use crate::domain::{
    client::Client,
    ids::{ClientId, TenantId},
    secret::{Hint, SecretHash},
};

/// Before the columns of the client and of its secrets.
const CLIENT: &str = "client_";
const SECRET: &str = "secret_";

/// What a client's secret is to be compared with. The rest of the client is not read before that was done, so that it
/// takes as long to refuse one as to find none.
pub struct PresentedSecret {
    /// The state of the client, if there is one.
    pub owner: Option<Owner>,
    /// What is kept of the secret that has the hint.
    pub hash: Option<SecretHash>,
    rows: Vec<QueryResult>,
}

/// The state of a client.
#[derive(Debug)]
pub struct Owner {
    /// Who owns it.
    pub tenant: TenantId,
    /// Whether it was deleted.
    pub is_deleted: bool,
    /// Whether it is disabled.
    pub is_disabled: bool,
}

impl Store {
    /// Finds what a client of any tenant and state, and its secret of this hint, are to be compared with.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn find_secret(&self, id: &ClientId, hint: &Hint) -> Result<PresentedSecret, StoreError> {
        let (store, id, hint) = (self.clone(), id.clone(), hint.clone());
        detached(|_| async move {
            let backend = store.readers.get_database_backend();
            let values = [id.as_str().into(), hint.as_str().into()];
            let query = Statement::from_sql_and_values(backend, SQL.as_str(), values);
            let rows = store.readers.query_all_raw(query).await?;
            PresentedSecret::read(&id, rows)
        })
        .await
    }
}

/// There is always a row. Its columns of the client and all its secrets, which are much to read, are empty unless there is
/// a secret of the hint.
static SQL: LazyLock<String> = LazyLock::new(|| {
    let client = columns::<client::Column>(CLIENT);
    let secret = columns::<secret::Column>(SECRET);
    format!(
        "SELECT owner.tenant_id, owner.deleted_at, owner.disable_tag, named.hash, {client}, {secret} \
         FROM (SELECT 1) AS always \
         LEFT JOIN oauth_clients AS owner ON owner.client_id = $1 \
         LEFT JOIN oauth_client_secrets AS named \
         ON named.tenant_id = owner.tenant_id AND named.client_id = owner.client_id AND named.hint = $2 \
         LEFT JOIN oauth_clients AS client \
         ON client.tenant_id = named.tenant_id AND client.client_id = named.client_id \
         LEFT JOIN oauth_client_secrets AS secret \
         ON secret.tenant_id = named.tenant_id AND secret.client_id = named.client_id \
         ORDER BY secret.created_at"
    )
});

fn columns<C: ColumnTrait>(prefix: &str) -> String {
    let table = prefix.trim_end_matches('_');
    let columns = C::iter().map(|column| {
        let name = column.as_str();
        format!("{table}.{name} AS {prefix}{name}")
    });
    columns.collect::<Vec<_>>().join(", ")
}

impl PresentedSecret {
    fn read(id: &ClientId, rows: Vec<QueryResult>) -> Result<Self, StoreError> {
        let first = rows
            .first()
            .ok_or_else(|| DbErr::RecordNotFound("a row that is always there".to_owned()))?;
        let owner: Option<String> = first.try_get("", "tenant_id")?;
        let owner = owner.map(|name| {
            Ok::<_, StoreError>(Owner {
                tenant: tenant(&name, id.as_str())?,
                is_deleted: first.try_get::<Option<i64>>("", "deleted_at")?.is_some(),
                is_disabled: first.try_get::<Option<String>>("", "disable_tag")?.is_some(),
            })
        });
        let hash: Option<Vec<u8>> = first.try_get("", "hash")?;
        let hash = hash.and_then(|hash| hash.try_into().ok());
        Ok(Self {
            owner: owner.transpose()?,
            hash: hash.map(SecretHash::from_bytes),
            rows,
        })
    }

    /// The client, once its secret was found right.
    ///
    /// # Errors
    /// When its rows do not say one.
    pub fn into_client(self) -> Result<Client, StoreError> {
        let first = self.rows.first().ok_or(StoreError::ClientNotFound)?;
        let row = client::Model::from_query_result(first, CLIENT)?;
        let secrets = self
            .rows
            .iter()
            .map(|row| secret::Model::from_query_result(row, SECRET));
        ClientRecord::new(row, secrets.collect::<Result<_, DbErr>>()?).into_client()
    }
}

/// Without the rows, which hold hashes.
impl fmt::Debug for PresentedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PresentedSecret")
            .field("owner", &self.owner)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_names_every_column() {
        for column in [
            "client.public_keys AS client_public_keys",
            "secret.hash AS secret_hash",
        ] {
            assert!(SQL.contains(column), "{}", *SQL);
        }
    }
}
