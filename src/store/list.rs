//! Pages of a tenant's clients, found by their position in the order (keyset pagination), never by counting rows.

use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait as _, DbErr, EntityTrait as _, ExprTrait as _, Order,
    PaginatorTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _, QueryTrait as _, Select, Value,
    sea_query::Expr,
};

use super::{
    Store,
    connection::Connection,
    detached,
    entity::client::{Column, Entity, Model},
    error::StoreError,
    filter::{self, Selection},
    rows::with_secrets,
};
use crate::domain::{
    client::Client,
    ids::TenantId,
    page::{List, Page, PageRequest, Position, Start},
    sort::{Direction, SortField, SortValue},
};

impl Store {
    /// Reads a page of the tenant's clients.
    ///
    /// # Errors
    /// If the database cannot be reached.
    pub async fn list_clients(&self, tenant: &TenantId, request: &PageRequest) -> Result<Page, StoreError> {
        let (store, tenant, request) = (self.clone(), tenant.clone(), request.clone());
        detached(|_| async move {
            let Some(query) = store.list_query(&tenant, &request.list) else {
                return Ok(Page {
                    total: request.count.then_some(0),
                    ..Page::default()
                });
            };
            let mut connection = store.reader().await?;
            if request.list.filter.is_some() {
                connection = connection.without_cache();
            }
            // One snapshot, so that the page, its links and the total fit together.
            let snapshot = store.begin_read(connection).await?;
            let reader = Reader {
                query,
                snapshot: &snapshot,
            };
            let page = reader.read(&request).await;
            snapshot.end(page).await
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
        let Some(query) = self.list_query(tenant, &request.list) else {
            return Ok(Vec::new());
        };
        let (walk, from) = walk_from(&request.start);
        let query = query.beyond(walk, from, request.limit.get() + 1);
        let mut statement = query.build(self.dialect.backend);
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

    /// Returns the queries for a list, or `None` if no client can be in it.
    fn list_query<'a>(&self, tenant: &'a TenantId, list: &'a List) -> Option<ListQuery<'a>> {
        let select = |filter| filter::select(filter, self.dialect);
        let selected = match list.filter.as_ref().map(select) {
            None | Some(Selection::All) => None,
            Some(Selection::Nothing) => return None,
            Some(Selection::Where(condition)) => Some(condition),
        };
        Some(ListQuery {
            tenant,
            list,
            selected,
        })
    }
}

/// The direction in which a list is walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Walk {
    Forward,
    Backward,
}

/// Returns the direction and the position from which a page is read.
fn walk_from(start: &Start) -> (Walk, Option<&Position>) {
    match start {
        Start::First => (Walk::Forward, None),
        Start::After(position) => (Walk::Forward, Some(position)),
        Start::Before(position) => (Walk::Backward, Some(position)),
    }
}

/// The queries for the clients of a tenant in one list.
struct ListQuery<'a> {
    tenant: &'a TenantId,
    list: &'a List,
    selected: Option<Condition>,
}

impl ListQuery<'_> {
    /// Selects every client of the list. The filter is one operand of a conjunction, so it cannot reach beyond the tenant.
    fn all(&self) -> Select<Entity> {
        let all = Entity::find()
            .filter(Column::TenantId.eq(self.tenant.as_str()))
            .filter(Column::DeletedAt.is_null());
        match &self.selected {
            Some(condition) => all.filter(condition.clone()),
            None => all,
        }
    }

    /// Selects the clients beyond a position, nearest first.
    fn beyond(&self, walk: Walk, from: Option<&Position>, limit: u64) -> Select<Entity> {
        let field = self.list.sort.field;
        let direction = match walk {
            Walk::Forward => self.list.sort.direction,
            Walk::Backward => self.list.sort.direction.reverse(),
        };
        let mut query = self.all();
        if let Some(position) = from {
            query = query.filter(is_beyond(field, direction, position));
        }
        ordered(query, field, direction).limit(limit)
    }
}

/// Reads a list from one state of the database.
struct Reader<'a> {
    query: ListQuery<'a>,
    snapshot: &'a Connection,
}

impl Reader<'_> {
    /// Returns the page, with the total if it is requested.
    async fn read(&self, request: &PageRequest) -> Result<Page, StoreError> {
        let page = self.page(request).await?;
        let total = if request.count {
            Some(self.count().await?)
        } else {
            None
        };
        Ok(Page { total, ..page })
    }

    async fn page(&self, request: &PageRequest) -> Result<Page, StoreError> {
        let (walk, from) = walk_from(&request.start);
        let limit = request.limit.get();
        // One more than fits shows whether any follow.
        let mut rows = self.walk(walk, from, limit + 1).await?;
        let more = rows.len() as u64 > limit;
        rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        if walk == Walk::Backward {
            rows.reverse();
        }
        let clients = with_secrets(self.query.tenant, rows, self.snapshot).await?;
        let (first, last) = (clients.first(), clients.last());
        let (next, prev) = match walk {
            Walk::Forward => (
                self.beside(last, more),
                self.behind(Walk::Backward, first, from).await?,
            ),
            Walk::Backward => (
                self.behind(Walk::Forward, last, from).await?,
                self.beside(first, more),
            ),
        };
        Ok(Page {
            clients,
            next,
            prev,
            total: None,
        })
    }

    /// Returns the position of the outermost client of the page, if a client lies beyond it.
    fn beside(&self, outermost: Option<&Client>, more: bool) -> Option<Position> {
        outermost
            .filter(|_| more)
            .map(|client| self.query.list.position(client))
    }

    /// Returns the position on the side of the page from which the walk came, if a client lies there. For an empty page
    /// that is the other side of its start.
    async fn behind(
        &self,
        walk: Walk,
        innermost: Option<&Client>,
        from: Option<&Position>,
    ) -> Result<Option<Position>, StoreError> {
        let Some(from) = from else {
            return Ok(None);
        };
        let place = innermost.map_or_else(
            || from.clone().reverse(),
            |client| self.query.list.position(client),
        );
        let any = self.walk(walk, Some(&place), 1).await?;
        Ok((!any.is_empty()).then_some(place))
    }

    async fn walk(&self, walk: Walk, from: Option<&Position>, limit: u64) -> Result<Vec<Model>, DbErr> {
        self.query.beyond(walk, from, limit).all(self.snapshot).await
    }

    async fn count(&self) -> Result<u64, DbErr> {
        self.query.all().count(self.snapshot).await
    }
}

fn column(field: SortField) -> Column {
    match field {
        SortField::ClientId => Column::ClientId,
        SortField::ClientName => Column::ClientNameFolded,
        SortField::AppType => Column::AppType,
        SortField::CreatedAt => Column::CreatedAt,
        SortField::UpdatedAt => Column::UpdatedAt,
    }
}

fn ordered(query: Select<Entity>, field: SortField, direction: Direction) -> Select<Entity> {
    let order = match direction {
        Direction::Ascending => Order::Asc,
        Direction::Descending => Order::Desc,
    };
    match field {
        SortField::ClientId => query.order_by(Column::ClientId, order),
        _ => query
            .order_by(column(field), order.clone())
            .order_by(Column::ClientId, order),
    }
}

/// Compares the whole sort key at once, which is one range of an index.
fn is_beyond(field: SortField, direction: Direction, position: &Position) -> Condition {
    let value: Value = match &position.value {
        SortValue::Text(text) => text.as_str().into(),
        SortValue::Time(time) => time.as_micros().into(),
    };
    let id = position.client_id.as_str();
    let (key, place) = match field {
        SortField::ClientId => (Expr::col(Column::ClientId), Expr::val(id)),
        _ => (
            Expr::tuple([Expr::col(column(field)), Expr::col(Column::ClientId)]),
            Expr::tuple([Expr::val(value), Expr::val(id)]),
        ),
    };
    let comparison = match (direction, position.inclusive) {
        (Direction::Ascending, false) => key.gt(place),
        (Direction::Ascending, true) => key.gte(place),
        (Direction::Descending, false) => key.lt(place),
        (Direction::Descending, true) => key.lte(place),
    };
    Condition::all().add(comparison)
}
