//! Pages of a tenant's clients, found by the place where they begin (keyset pagination), never by counting rows.

use sea_orm::{
    AccessMode, ColumnTrait as _, Condition, DatabaseTransaction, DbBackend, DbErr, EntityTrait as _,
    ExprTrait as _, IsolationLevel, Order, QueryFilter as _, QueryOrder as _, QuerySelect as _, Select,
    TransactionOptions, TransactionTrait as _, Value, sea_query::Expr,
};

use super::{
    Store,
    clients::with_secrets,
    entity::client::{Column, Entity, Model},
    error::StoreError,
    within_time,
};
use crate::domain::{
    client::Client,
    ids::TenantId,
    page::{Direction, Page, PageRequest, Position, Sort, SortField, SortValue, Start},
};

impl Store {
    /// Reads a page of the tenant's clients.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn list_clients(&self, tenant: &TenantId, request: &PageRequest) -> Result<Page, StoreError> {
        within_time(async {
            // One snapshot, so that the page and its links fit together.
            let snapshot = self.begin_read().await?;
            let list = List {
                tenant,
                sort: request.sort,
                snapshot: &snapshot,
            };
            list.page(request).await
        })
        .await
    }

    /// A transaction that reads, and sees one state of the database.
    pub(super) async fn begin_read(&self) -> Result<DatabaseTransaction, DbErr> {
        let postgres = self.readers.get_database_backend() == DbBackend::Postgres;
        let options = TransactionOptions {
            isolation_level: postgres.then_some(IsolationLevel::RepeatableRead),
            access_mode: postgres.then_some(AccessMode::ReadOnly),
            ..TransactionOptions::default()
        };
        self.readers.begin_with_options(options).await
    }
}

/// The clients of a tenant in one order, in one state of the database.
struct List<'a> {
    tenant: &'a TenantId,
    sort: Sort,
    snapshot: &'a DatabaseTransaction,
}

/// Which way a list is walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Walk {
    Forward,
    Backward,
}

impl List<'_> {
    async fn page(&self, request: &PageRequest) -> Result<Page, StoreError> {
        let (walk, from) = match &request.start {
            Start::First => (Walk::Forward, None),
            Start::After(position) => (Walk::Forward, Some(position)),
            Start::Before(position) => (Walk::Backward, Some(position)),
        };
        let limit = request.limit.get();
        // One more than fits tells whether any follow.
        let mut rows = self.walk(walk, from, limit + 1).await?;
        let more = rows.len() as u64 > limit;
        rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        if walk == Walk::Backward {
            rows.reverse();
        }
        let clients = with_secrets(self.tenant, rows, self.snapshot).await?;
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
        Ok(Page { clients, next, prev })
    }

    /// The place beside the outermost client of the page, if any client lies further out.
    fn beside(&self, outermost: Option<&Client>, more: bool) -> Option<Position> {
        outermost
            .filter(|_| more)
            .map(|client| self.sort.position(client))
    }

    /// The place on the side of the page that the walk came from, if any client lies there. Of an empty page that is
    /// the other side of the place where it began.
    async fn behind(
        &self,
        walk: Walk,
        innermost: Option<&Client>,
        from: Option<&Position>,
    ) -> Result<Option<Position>, StoreError> {
        let Some(from) = from else {
            return Ok(None);
        };
        let place = innermost.map_or_else(|| from.clone().reverse(), |client| self.sort.position(client));
        let any = self.walk(walk, Some(&place), 1).await?;
        Ok((!any.is_empty()).then_some(place))
    }

    async fn walk(&self, walk: Walk, from: Option<&Position>, limit: u64) -> Result<Vec<Model>, DbErr> {
        let direction = match walk {
            Walk::Forward => self.sort.direction,
            Walk::Backward => self.sort.direction.reverse(),
        };
        let mut query = Entity::find()
            .filter(Column::TenantId.eq(self.tenant.as_str()))
            .filter(Column::DeletedAt.is_null());
        if let Some(position) = from {
            query = query.filter(beyond(self.sort.field, direction, position));
        }
        ordered(query, self.sort.field, direction)
            .limit(limit)
            .all(self.snapshot)
            .await
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

/// The clients beyond a place: a comparison of the whole sort key at once, which an index answers with one range.
fn beyond(field: SortField, direction: Direction, position: &Position) -> Condition {
    let value: Value = match &position.value {
        SortValue::Text(text) => text.as_str().into(),
        SortValue::Time(time) => time.as_micros().into(),
    };
    let key = Expr::tuple([Expr::col(column(field)), Expr::col(Column::ClientId)]);
    let place = Expr::tuple([Expr::val(value), Expr::val(position.client_id.as_str())]);
    let comparison = match (direction, position.inclusive) {
        (Direction::Ascending, false) => key.gt(place),
        (Direction::Ascending, true) => key.gte(place),
        (Direction::Descending, false) => key.lt(place),
        (Direction::Descending, true) => key.lte(place),
    };
    Condition::all().add(comparison)
}
