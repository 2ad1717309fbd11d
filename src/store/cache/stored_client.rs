//! A client as the store returns it, and as memory holds it.

use std::sync::{Arc, OnceLock};

use super::{encoded::Encoded, entries::Entry};
use crate::{
    domain::{
        assertion::ClientAssertion,
        client::Client,
        ids::{ClientId, TenantId},
        jwk::{Jwk, VerificationKeys},
        rejection::Rejection,
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
    /// The client's keys for verifying signatures, each once it was needed.
    keys: VerificationKeys,
    /// The bytes of memory that this and what is derived from it may come to need.
    weight: u64,
    /// The client as it is sent, once it has been.
    encoded: OnceLock<Arc<Encoded>>,
}

/// The bytes of a client without texts.
const CLIENT_BYTES: u64 = 2_048;
/// The bytes of a secret.
const SECRET_BYTES: u64 = 512;
/// The bytes of a key that is ready to verify signatures. One of 4,096 bits has 3,500.
const KEY_BYTES: u64 = 4_096;
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
        let client = from_row(row, secrets)?;
        let keys = &client.metadata.public_keys;
        Ok(Self {
            tenant,
            weight: weight + KEY_BYTES * keys.len() as u64,
            keys: VerificationKeys::of(keys),
            client,
            encoded: OnceLock::new(),
        })
    }

    /// Returns the identifier of the client.
    pub fn id(&self) -> &ClientId {
        &self.client.id
    }

    /// Verifies an assertion with one of the client's keys, and returns that key.
    ///
    /// # Errors
    /// If none of the keys signed the assertion.
    pub fn verify(&self, assertion: &ClientAssertion) -> Result<&Jwk, Rejection> {
        assertion.verify(&self.client.metadata.public_keys, &self.keys)
    }

    /// Returns the version of the client, which grows with each change.
    pub(in crate::store) fn version(&self) -> i64 {
        self.client.revision.number()
    }

    /// Returns the bytes of memory that this may come to need.
    pub(in crate::store) fn weight(&self) -> u64 {
        self.weight
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
