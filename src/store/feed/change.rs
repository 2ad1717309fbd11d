//! Changes as they are sent to those that watch.

use std::sync::Arc;

use crate::{
    domain::{
        change_list::ChangeRecord,
        change_position::Position,
        ids::{ClientId, TenantId},
    },
    store::{cache::StoredClient, error::Corrupt},
};

/// A change, and the position after it.
#[derive(Debug, Clone)]
pub struct WatchedChange {
    /// The position after the change.
    pub position: Position,
    content: Content,
}

/// What is known of a change.
#[derive(Debug, Clone)]
pub(super) struct Content {
    tenant: String,
    record: Result<Arc<ChangeRecord>, Corrupt>,
    client: Result<Option<Arc<StoredClient>>, Corrupt>,
    /// The bytes of the updates.
    size: usize,
}

/// The bytes of a change without texts.
const CHANGE_BYTES: usize = 1_024;
/// The copies of its updates in memory.
const COPIES: usize = 2;

impl Content {
    pub(super) fn record(tenant: &TenantId, record: ChangeRecord, size: usize) -> Self {
        Self {
            tenant: tenant.as_str().to_owned(),
            record: Ok(Arc::new(record)),
            client: Ok(None),
            size,
        }
    }

    pub(super) fn corrupt(tenant: String, error: Corrupt) -> Self {
        Self {
            tenant,
            record: Err(error),
            client: Ok(None),
            size: 0,
        }
    }
}

impl WatchedChange {
    pub(super) fn new(position: Position, content: Content) -> Self {
        Self { position, content }
    }

    /// Returns the record of the change.
    ///
    /// # Errors
    /// If it is corrupt.
    pub fn record(&self) -> Result<&ChangeRecord, &Corrupt> {
        self.content.record.as_deref()
    }

    /// Returns the client in the state after the change or in a later one; `None` if it no longer exists.
    ///
    /// # Errors
    /// If its rows are corrupt.
    pub fn client(&self) -> Result<Option<&Arc<StoredClient>>, &Corrupt> {
        self.content.client.as_ref().map(Option::as_ref)
    }

    pub(super) fn set_client(&mut self, client: Result<Option<Arc<StoredClient>>, Corrupt>) {
        self.content.client = client;
    }

    /// Returns the tenant of the client.
    pub fn tenant(&self) -> &str {
        &self.content.tenant
    }

    pub(super) fn client_id(&self) -> Option<&ClientId> {
        self.position
            .reading
            .as_ref()
            .map(|reading| &reading.place.client_id)
    }

    /// Returns about how many bytes of memory this takes.
    pub(super) fn weight(&self) -> usize {
        let client = self.client().ok().flatten();
        let client = client.map_or(0, |client| usize::try_from(client.weight()).unwrap_or(usize::MAX));
        CHANGE_BYTES
            .saturating_add(COPIES * self.content.size)
            .saturating_add(client)
    }
}
