//! A client as the store returns it, and as memory holds it.

use std::sync::{Arc, OnceLock};

use super::{encoded::Encoded, entries::Entry};
use crate::{
    domain::{
        client::Client,
        ids::{ClientId, TenantId},
    },
    store::{
        entity::{client, secret},
        error::StoreError,
        read::tenant,
        rows::from_row,
        secrets,
    },
};

/// A client with its tenant.
#[derive(Debug)]
pub struct StoredClient {
    /// The tenant that owns the client.
    pub tenant: TenantId,
    /// The client.
    pub client: Client,
    /// The bytes of memory that this and what is derived from it may come to need.
    weight: u64,
    /// The client as it is sent, once it has been.
    encoded: OnceLock<Arc<Encoded>>,
}

/// The bytes of a client without texts.
const CLIENT_BYTES: u64 = 2_048;
/// The bytes of a secret.
const SECRET_BYTES: u64 = 512;
/// The copies of a client's texts in memory: the client with the overhead of its strings, its keys, and its encoded forms.
const COPIES: u64 = 5;

impl StoredClient {
    /// Decodes the rows of a client.
    ///
    /// # Errors
    /// If they are corrupt.
    pub(in crate::store) fn from_rows(
        row: client::Model,
        secrets: &[secret::Model],
    ) -> Result<Self, StoreError> {
        let tenant = tenant(&row.tenant_id, &row.client_id)?;
        let weight = weight(&row, secrets);
        let secrets = secrets.iter().map(secrets::from_row).collect::<Result<_, _>>()?;
        Ok(Self {
            tenant,
            client: from_row(row, secrets)?,
            weight,
            encoded: OnceLock::new(),
        })
    }

    /// Returns the identifier of the client.
    pub fn id(&self) -> &ClientId {
        &self.client.id
    }

    /// Returns the version of the client, which grows with each change.
    pub(in crate::store) fn version(&self) -> i64 {
        self.client.revision.number()
    }

    /// Returns `true` if the client is deleted.
    pub fn is_deleted(&self) -> bool {
        self.client.deleted_at.is_some()
    }

    /// Returns `true` if the client is disabled.
    pub fn is_disabled(&self) -> bool {
        self.client.disable_tag.is_some()
    }

    /// Returns the client as it is sent. `encode` makes it the first time.
    pub(crate) fn encoded(&self, encode: impl FnOnce(&Client) -> Encoded) -> &Arc<Encoded> {
        self.encoded.get_or_init(|| Arc::new(encode(&self.client)))
    }
}

impl Entry for Arc<StoredClient> {
    fn weight(&self) -> u64 {
        self.weight
    }
}

fn weight(row: &client::Model, secrets: &[secret::Model]) -> u64 {
    let texts = [
        &row.client_name,
        &row.redirect_uris,
        &row.allowed_origins,
        &row.allowed_scopes,
        &row.allowed_grant_types,
        &row.allowed_auth_methods,
        &row.public_keys,
    ];
    let optional_texts = [&row.description, &row.logo_uri, &row.client_uri, &row.disable_tag];
    let bytes = texts.map(String::len).iter().sum::<usize>()
        + optional_texts
            .map(|text| text.as_ref().map_or(0, String::len))
            .iter()
            .sum::<usize>();
    CLIENT_BYTES + COPIES * bytes as u64 + SECRET_BYTES * secrets.len() as u64
}
