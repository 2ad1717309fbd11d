//! What is kept of a secret that a client presents, in one query that takes as long, but for
//! microseconds, whatever it finds.

use std::{fmt, sync::LazyLock};

use sea_orm::{
    ConnectionTrait as _, DbBackend, DbErr, FromQueryResult as _, IdenStatic as _, Iterable as _,
    QueryResult, Statement,
};

use super::{
    Store, detached,
    entity::{client, secret},
    error::{Corrupt, StoreError},
    lookup::{ClientRecord, tenant},
};
use crate::domain::{
    client::Client,
    ids::{ClientId, TenantId},
    secret::{Hint, SecretHash},
};

/// Before the columns of the client.
const CLIENT: &str = "client_";

/// What a client's secret is to be compared with. The rest of the client is not read before that was done, so that it
/// takes as long, but for microseconds, to refuse one as to find none.
pub struct PresentedSecret {
    /// The state of the client, if there is one.
    pub owner: Option<Owner>,
    /// What is kept of the secret that has the hint.
    pub hash: Option<SecretHash>,
    row: QueryResult,
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
            let backend = store.url.backend();
            let values = [id.as_str().into(), hint.as_str().into()];
            let sql = if backend == DbBackend::Sqlite {
                &SQLITE
            } else {
                &POSTGRES
            };
            let query = Statement::from_sql_and_values(backend, sql.as_str(), values);
            let row = store.reader().await?.query_one_raw(query).await?;
            let always = || DbErr::RecordNotFound("a row that is always there".to_owned());
            PresentedSecret::read(&id, row.ok_or_else(always)?)
        })
        .await
    }
}

static SQLITE: LazyLock<String> =
    LazyLock::new(|| sql("json_group_array(json_array(hint, hex(hash), created_at, created_by))"));
static POSTGRES: LazyLock<String> = LazyLock::new(|| {
    sql("json_agg(json_build_array(hint, encode(hash, 'hex'), created_at, created_by))::text")
});

/// There is always one row. Its columns of the client and its list of secrets, which are much to read, are empty unless
/// there is a secret of the hint.
fn sql(secrets: &str) -> String {
    let client = client::Column::iter().map(|column| {
        let name = column.as_str();
        format!("client.{name} AS {CLIENT}{name}")
    });
    let client = client.collect::<Vec<_>>().join(", ");
    format!(
        "SELECT owner.tenant_id, owner.deleted_at, owner.disable_tag, named.hash, {client}, \
         (SELECT {secrets} FROM oauth_client_secrets AS secret \
         WHERE secret.tenant_id = named.tenant_id AND secret.client_id = named.client_id) AS secrets \
         FROM (SELECT 1) AS always \
         LEFT JOIN oauth_clients AS owner ON owner.client_id = $1 \
         LEFT JOIN oauth_client_secrets AS named \
         ON named.tenant_id = owner.tenant_id AND named.client_id = owner.client_id AND named.hint = $2 \
         LEFT JOIN oauth_clients AS client \
         ON client.tenant_id = named.tenant_id AND client.client_id = named.client_id"
    )
}

impl PresentedSecret {
    fn read(id: &ClientId, row: QueryResult) -> Result<Self, StoreError> {
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
        })
    }

    /// The client, once its secret was found right.
    ///
    /// # Errors
    /// When its rows do not say one.
    pub fn into_client(self) -> Result<Client, StoreError> {
        let client = client::Model::from_query_result(&self.row, CLIENT)?;
        let secrets: String = self.row.try_get("", "secrets")?;
        let corrupt = || Corrupt {
            table: "oauth_client_secrets",
            column: "hash",
            client_id: client.client_id.clone(),
        };
        let secrets = read_secrets(&client, &secrets).ok_or_else(corrupt)?;
        ClientRecord::new(client, secrets).into_client()
    }
}

fn read_secrets(client: &client::Model, json: &str) -> Option<Vec<secret::Model>> {
    let rows: Vec<(String, String, i64, String)> = serde_json::from_str(json).ok()?;
    let secrets = rows.into_iter().map(|(hint, hash, created_at, created_by)| {
        Some(secret::Model {
            tenant_id: client.tenant_id.clone(),
            client_id: client.client_id.clone(),
            hint,
            hash: from_hex(&hash)?,
            created_at,
            created_by,
        })
    });
    let mut secrets: Vec<secret::Model> = secrets.collect::<Option<_>>()?;
    secrets.sort_by_key(|secret| secret.created_at);
    Some(secrets)
}

fn from_hex(digits: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| {
        char::from(*byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let pairs = digits.as_bytes().chunks(2);
    pairs
        .map(|pair| match pair {
            [high, low] => Some(digit(high)? << 4 | digit(low)?),
            _ => None,
        })
        .collect()
}

/// Without the row, which holds hashes.
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
    fn hexadecimal_digits_are_bytes() {
        assert_eq!(from_hex("00fFA0"), Some(vec![0, 255, 160]));
        assert_eq!(from_hex("0"), None);
        assert_eq!(from_hex("0g"), None);
    }
}
