//! Pages of a tenant's clients, and of their change records, found by their position in the order (keyset pagination), never
//! by counting rows.
//!
//! One statement finds the [outline] of a page: which rows, and whether others lie on either side. A record is whole in it. Of
//! clients it has the versions: those that memory holds in these versions come from there, the [rest] from the database.

mod changes;
mod clients;
mod outline;
mod page;
mod query;
mod rest;

use std::sync::Arc;

use sea_orm::ConnectionTrait as _;

pub use self::page::Page;
use self::{
    clients::ListedClient,
    outline::Outline,
    query::{ListQuery, Part, Stored},
};
use super::{Store, cache::StoredClient, connection::Connection, detached, error::StoreError};
use crate::domain::{change_list::ChangeList, ids::TenantId, page::PageRequest};

impl Store {
    /// Reads a page of the tenant's clients.
    ///
    /// # Errors
    /// If the database cannot be reached.
    pub async fn list_clients(&self, tenant: &TenantId, request: &PageRequest) -> Result<Page, StoreError> {
        let (store, tenant, request) = (self.clone(), tenant.clone(), request.clone());
        detached(|_| async move {
            let Some(query) = ListQuery::new(&tenant, &request.list, store.dialect) else {
                return Ok(Page::empty(request.count.then_some(0)));
            };
            let reader = Reader {
                store: &store,
                query,
                request: &request,
            };
            let connection = store.reader().await?;
            if let Some(page) = reader.read(&connection).await? {
                return Ok(page);
            }
            // A client was changed between the two statements. In a transaction they read one state of the database.
            let snapshot = store.begin_read(connection).await?;
            let page = reader.read(&snapshot).await;
            let page = snapshot.end(page).await?;
            page.ok_or(StoreError::ConcurrentChange)
        })
        .await
    }

    /// Returns the lines of the query plan of a page, for tests and measurements. There are none if the page needs no
    /// query.
    ///
    /// # Errors
    /// If the database cannot be reached.
    pub async fn explain_page(
        &self,
        tenant: &TenantId,
        request: &PageRequest,
    ) -> Result<Vec<String>, StoreError> {
        self.explain(tenant, request).await
    }

    /// Does the same for a page of change records.
    ///
    /// # Errors
    /// If the database cannot be reached.
    pub async fn explain_changes(
        &self,
        tenant: &TenantId,
        request: &PageRequest<ChangeList>,
    ) -> Result<Vec<String>, StoreError> {
        self.explain(tenant, request).await
    }

    async fn explain<L: Stored>(
        &self,
        tenant: &TenantId,
        request: &PageRequest<L>,
    ) -> Result<Vec<String>, StoreError> {
        let Some(query) = ListQuery::new(tenant, &request.list, self.dialect) else {
            return Ok(Vec::new());
        };
        let mut statement = query.outline(&Part::of(request), request.count, self.dialect.backend)?;
        statement.sql = format!("{} {}", self.dialect.explain, statement.sql);
        let store = self.clone();
        detached(|_| async move {
            let connection = store.reader().await?.without_cache();
            let rows = connection.query_all_raw(statement).await?;
            Ok(rows
                .iter()
                .map(|row| row.try_get("", store.dialect.explanation))
                .collect::<Result<_, _>>()?)
        })
        .await
    }
}

/// Reads one page.
struct Reader<'a> {
    store: &'a Store,
    query: ListQuery,
    request: &'a PageRequest,
}

impl Reader<'_> {
    /// Reads the page, or returns `None` if a client was changed while it was read.
    async fn read(&self, connection: &Connection) -> Result<Option<Page>, StoreError> {
        let part = Part::of(self.request);
        let backend = self.store.dialect.backend;
        let statement = self.query.outline(&part, self.request.count, backend)?;
        let prepared = self.query.prepared();
        let rows = connection.query_all(statement, prepared);
        let (memory, rows) = tokio::join!(self.store.cache.current(), rows);
        let outline = Outline::<ListedClient>::from_rows(&rows?, self.request)?;
        let mut clients: Vec<Option<Arc<StoredClient>>> = outline
            .listed
            .iter()
            .map(|listed| {
                memory
                    .as_ref()?
                    .get_version(&listed.key.client_id, listed.version)
            })
            .collect();
        rest::read(
            self.store,
            &self.query.tenant,
            &outline.listed,
            &mut clients,
            connection,
        )
        .await?;
        let clients: Option<Vec<Arc<StoredClient>>> = clients.into_iter().collect();
        Ok(clients.map(|clients| outline.page(self.request, |_| clients)))
    }
}
