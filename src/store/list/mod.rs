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
use super::{
    Store,
    cache::StoredClient,
    connection::Connection,
    error::StoreError,
    work::{detached, detached_interruptible, interruptible},
};
use crate::domain::{change_list::ChangeList, ids::TenantId, page::PageRequest};

impl Store {
    /// Reads a page of the tenant's clients.
    ///
    /// # Errors
    /// If the database cannot be reached.
    pub async fn list_clients(&self, tenant: &TenantId, request: &PageRequest) -> Result<Page, StoreError> {
        let (turn, place) = self.admission.list(tenant).await?;
        let Some(query) = ListQuery::new(tenant, &request.list, self.dialect) else {
            return Ok(Page::empty(request.count.then_some(0)));
        };
        let (store, request) = (self.clone(), request.clone());
        detached_interruptible(|waiting| async move {
            let _turn = turn;
            let connection = place.connect().await?;
            let (interrupt, control) = (connection.interrupt(), store.pools.control.clone());
            let page = store.read_page(query, &request, connection);
            Box::pin(interruptible(waiting, interrupt, control, page)).await
        })
        .await
    }

    async fn read_page(
        &self,
        query: ListQuery,
        request: &PageRequest,
        connection: Connection,
    ) -> Result<Page, StoreError> {
        let reader = Reader {
            store: self,
            query,
            request,
        };
        if let Some(page) = reader.read(&connection).await? {
            return Ok(page);
        }
        // A client was changed between the two statements. In a transaction they read one state of the database.
        let snapshot = self.begin_read(connection).await?;
        let page = reader.read(&snapshot).await;
        let page = snapshot.end(page).await?;
        page.ok_or(StoreError::ConcurrentChange)
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
        let (pool, dialect) = (self.pools.readers.clone(), self.dialect);
        detached(|_| async move {
            let connection = pool.get().await?.without_cache();
            let rows = connection.query_all_raw(statement).await?;
            Ok(rows
                .iter()
                .map(|row| row.try_get("", dialect.explanation))
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
