//! The statement for the outline of a page.

use std::fmt::{self, Write as _};

use sea_orm::{
    ColumnTrait as _, Condition, DbBackend, DbErr, ExprTrait as _, Order, Statement, Value,
    sea_query::{
        Expr, PostgresQueryBuilder, Query, QueryBuilder, SelectStatement, SqlWriter as _, SqlWriterValues,
        SqliteQueryBuilder,
    },
};

use crate::{
    domain::{
        ids::TenantId,
        page::{Limit, PageRequest, Position, Start},
        sort::{Direction, Sort, SortField, SortValue},
    },
    store::entity::client::{Column, Entity},
};

/// One more than the greatest page has, which shows whether any client follows.
const MOST: u64 = Limit::MAX.get() + 1;

/// The queries for the clients of a tenant in one list.
pub(super) struct ListQuery {
    pub(super) tenant: TenantId,
    pub(super) sort: Sort,
    /// The condition of the filter.
    pub(super) selected: Option<Condition>,
}

/// The direction in which a list is walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Walk {
    Forward,
    Backward,
}

/// The part of a list that a page is taken from: the nearest clients beyond a position.
#[derive(Debug)]
pub(super) struct Place<'a> {
    pub(super) walk: Walk,
    pub(super) from: Option<&'a Position>,
    limit: u64,
}

impl<'a> Place<'a> {
    pub(super) fn of(request: &'a PageRequest) -> Self {
        let (walk, from) = match &request.start {
            Start::First => (Walk::Forward, None),
            Start::After(position) => (Walk::Forward, Some(position)),
            Start::Before(position) => (Walk::Backward, Some(position)),
        };
        Self {
            walk,
            from,
            limit: request.limit.get(),
        }
    }
}

impl Walk {
    /// Returns the direction in which a walk through a list visits the clients.
    pub(super) fn direction(self, sort: Sort) -> Direction {
        match self {
            Self::Forward => sort.direction,
            Self::Backward => sort.direction.reverse(),
        }
    }
}

impl ListQuery {
    /// Returns the statement for an outline. It finds at least one row, with these columns: `client_id`, `version` and the
    /// value by which the client is sorted, which are null if there is no client; `true` if a client lies on the side from
    /// which the walk came; and, if requested, the number of all clients.
    ///
    /// Being one statement, it reads one state of the database without a transaction.
    pub(super) fn outline(
        &self,
        place: &Place<'_>,
        count: bool,
        backend: DbBackend,
    ) -> Result<Statement, DbErr> {
        let built = match backend {
            DbBackend::Postgres => self.build(place, count, &PostgresQueryBuilder),
            _ => self.build(place, count, &SqliteQueryBuilder),
        };
        let (sql, values) = built.map_err(|error| DbErr::Custom(error.to_string()))?;
        Ok(Statement {
            sql,
            values: Some(values),
            db_backend: backend,
        })
    }

    /// The limit of the inner query and that of `behind` are literals, as PostgreSQL otherwise expects a tenth of all rows
    /// from a plan that it makes once for all values, and so makes a new plan for each request, which takes longer than
    /// running it. The page has its rows in order, but no statement promises it, so that they are sorted again.
    fn build(
        &self,
        place: &Place<'_>,
        count: bool,
        builder: &impl QueryBuilder,
    ) -> Result<(String, sea_orm::Values), fmt::Error> {
        let (placeholder, numbered) = builder.placeholder();
        let mut sql = SqlWriterValues::new(placeholder, numbered);
        let direction = place.walk.direction(self.sort);
        write!(sql, "SELECT client_id, version, value, ")?;
        match place.from {
            None => write!(sql, "FALSE")?,
            Some(from) => {
                // With the clients of one state, those before the page are those that are not beyond its start.
                let behind = self.nearest(direction.reverse(), Some(&from.clone().reverse()));
                write!(sql, "(")?;
                behind.build_collect_any_into(builder, &mut sql);
                write!(sql, " LIMIT 1) IS NOT NULL")?;
            }
        }
        if count {
            write!(sql, ", (")?;
            let mut all = self.all();
            all.expr(Expr::cust("count(*)"));
            all.build_collect_any_into(builder, &mut sql);
            write!(sql, ")")?;
        }
        write!(sql, " FROM (SELECT 1) AS always LEFT JOIN (SELECT * FROM (")?;
        let mut nearest = self.nearest(direction, place.from);
        nearest
            .column(Column::Version)
            .expr_as(Expr::col(column(self.sort.field)), "value");
        nearest.build_collect_any_into(builder, &mut sql);
        write!(sql, " LIMIT {MOST}) AS nearest LIMIT ")?;
        sql.push_param(Value::from(place.limit + 1), builder);
        write!(sql, ") AS page ON TRUE")?;
        Ok(sql.into_parts())
    }

    /// Selects every client of the list. The filter is one operand of a conjunction, so it cannot reach beyond the tenant.
    fn all(&self) -> SelectStatement {
        let mut all = Query::select();
        all.from(Entity)
            .and_where(Column::TenantId.eq(self.tenant.as_str()))
            .and_where(Column::DeletedAt.is_null());
        if let Some(condition) = &self.selected {
            all.cond_where(condition.clone());
        }
        all
    }

    /// Selects the identifiers of the clients beyond a position, nearest first.
    fn nearest(&self, direction: Direction, from: Option<&Position>) -> SelectStatement {
        let mut nearest = self.all();
        nearest.column(Column::ClientId);
        if let Some(position) = from {
            nearest.and_where(is_beyond(self.sort.field, direction, position));
        }
        let order = match direction {
            Direction::Ascending => Order::Asc,
            Direction::Descending => Order::Desc,
        };
        if self.sort.field != SortField::ClientId {
            nearest.order_by(column(self.sort.field), order.clone());
        }
        nearest.order_by(Column::ClientId, order);
        nearest
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

/// Compares the whole sort key at once, which is one range of an index.
fn is_beyond(field: SortField, direction: Direction, position: &Position) -> Expr {
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
    match (direction, position.inclusive) {
        (Direction::Ascending, false) => key.gt(place),
        (Direction::Ascending, true) => key.gte(place),
        (Direction::Descending, false) => key.lt(place),
        (Direction::Descending, true) => key.lte(place),
    }
}
