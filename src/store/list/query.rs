//! The statement for the outline of a page.

use std::fmt::{self, Write as _};

use sea_orm::{
    Condition, DbBackend, DbErr, ExprTrait as _, Order, Statement, Value,
    sea_query::{
        DynIden, Expr, PostgresQueryBuilder, Query, QueryBuilder, SelectStatement, SqlWriter as _,
        SqlWriterValues, SqliteQueryBuilder,
    },
};

use crate::{
    domain::{
        filter::Filter,
        ids::TenantId,
        page::{Limit, Ordered, PageRequest, Position, Start},
        sort::Direction,
    },
    store::{
        dialect::Dialect,
        filter::{self, Selection},
        session::Prepared,
    },
};

/// One more than the greatest page has, which shows whether any client follows.
const MOST: u64 = Limit::MAX.get() + 1;

/// A list in the database.
pub(in crate::store) trait Stored: Ordered {
    /// Returns the rows of the list.
    fn rows(&self) -> Rows;

    /// Returns what its filter selects of them.
    fn selection(&self, dialect: &Dialect) -> Selection;

    /// Returns the values of a key, as the columns of [`Rows::key`] hold them.
    fn values(&self, key: &Self::Key) -> Vec<Value>;
}

/// The rows of a list.
pub(in crate::store) struct Rows {
    pub(in crate::store) table: DynIden,
    /// The condition for all rows beside that of the tenant.
    pub(in crate::store) condition: Option<Expr>,
    /// The columns by which the rows are sorted, the first first. No two rows of a tenant have the same values.
    pub(in crate::store) key: Vec<DynIden>,
    pub(in crate::store) direction: Direction,
    /// The columns to read, each with its name in the outline.
    pub(in crate::store) columns: Vec<(DynIden, &'static str)>,
}

/// The queries for the rows of a tenant in one list.
pub(super) struct ListQuery {
    pub(super) tenant: TenantId,
    pub(super) rows: Rows,
    /// The condition of the filter.
    pub(super) selected: Option<Condition>,
}

/// The direction in which a list is walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Walk {
    Forward,
    Backward,
}

/// The part of a list that a page is taken from: the nearest rows beyond a place.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) walk: Walk,
    from: Option<Place>,
    limit: u64,
}

/// A position, in the values that the columns of the key hold.
#[derive(Debug, Clone)]
struct Place {
    values: Vec<Value>,
    inclusive: bool,
}

impl Part {
    pub(super) fn of<L: Stored>(request: &PageRequest<L>) -> Self {
        let place = |position: &Position<L::Key>| Place {
            values: request.list.values(&position.key),
            inclusive: position.inclusive,
        };
        let (walk, from) = match &request.start {
            Start::First => (Walk::Forward, None),
            Start::After(position) => (Walk::Forward, Some(place(position))),
            Start::Before(position) => (Walk::Backward, Some(place(position))),
        };
        Self {
            walk,
            from,
            limit: request.limit.get(),
        }
    }
}

impl Place {
    /// Returns the same place for a walk in the other direction.
    fn reverse(&self) -> Self {
        Self {
            values: self.values.clone(),
            inclusive: !self.inclusive,
        }
    }
}

impl Walk {
    /// Returns the direction in which a walk through a list visits the rows.
    pub(super) fn direction(self, list: Direction) -> Direction {
        match self {
            Self::Forward => list,
            Self::Backward => list.reverse(),
        }
    }
}

impl ListQuery {
    /// Returns the queries for a list, or `None` if no row can be in it.
    pub(super) fn new<L: Stored>(tenant: &TenantId, list: &L, dialect: &Dialect) -> Option<Self> {
        let selected = match list.selection(dialect) {
            Selection::All => None,
            Selection::Nothing => return None,
            Selection::Where(condition) => Some(condition),
        };
        Some(Self {
            tenant: tenant.clone(),
            rows: list.rows(),
            selected,
        })
    }

    /// Returns how long to keep the statement: callers choose the text of a filter.
    pub(super) fn prepared(&self) -> Prepared {
        match self.selected {
            None => Prepared::Kept,
            Some(_) => Prepared::Once,
        }
    }

    /// Returns the statement for an outline. It finds at least one row, with these columns: those of the list, which are
    /// null if no row of the list is there; `true` if a row lies on the side from which the walk came; and, if requested,
    /// the number of all rows.
    ///
    /// Being one statement, it reads one state of the database without a transaction.
    pub(super) fn outline(&self, part: &Part, count: bool, backend: DbBackend) -> Result<Statement, DbErr> {
        let built = match backend {
            DbBackend::Postgres => self.build(part, count, &PostgresQueryBuilder),
            _ => self.build(part, count, &SqliteQueryBuilder),
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
        part: &Part,
        count: bool,
        builder: &impl QueryBuilder,
    ) -> Result<(String, sea_orm::Values), fmt::Error> {
        let (placeholder, numbered) = builder.placeholder();
        let mut sql = SqlWriterValues::new(placeholder, numbered);
        let direction = part.walk.direction(self.rows.direction);
        write!(sql, "SELECT ")?;
        for (_, name) in &self.rows.columns {
            write!(sql, "{name}, ")?;
        }
        match &part.from {
            None => write!(sql, "FALSE")?,
            Some(from) => {
                // With the rows of one state, those before the page are those that are not beyond its start.
                let mut behind = self.nearest(direction.reverse(), Some(&from.reverse()));
                behind.columns(self.rows.key.last().cloned());
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
        let mut nearest = self.nearest(direction, part.from.as_ref());
        for (column, name) in &self.rows.columns {
            nearest.expr_as(Expr::col(column.clone()), *name);
        }
        nearest.build_collect_any_into(builder, &mut sql);
        write!(sql, " LIMIT {MOST}) AS nearest LIMIT ")?;
        sql.push_param(Value::from(part.limit + 1), builder);
        write!(sql, ") AS page ON TRUE")?;
        Ok(sql.into_parts())
    }

    /// Selects every row of the list. The filter is one operand of a conjunction, so it cannot reach beyond the tenant.
    fn all(&self) -> SelectStatement {
        let mut all = Query::select();
        all.from(self.rows.table.clone())
            .and_where(Expr::col("tenant_id").eq(self.tenant.as_str()))
            .and_where_option(self.rows.condition.clone());
        if let Some(condition) = &self.selected {
            all.cond_where(condition.clone());
        }
        all
    }

    /// Selects the rows beyond a place, nearest first.
    fn nearest(&self, direction: Direction, from: Option<&Place>) -> SelectStatement {
        let mut nearest = self.all();
        nearest.and_where_option(from.map(|place| self.is_beyond(place, direction)));
        let order = match direction {
            Direction::Ascending => Order::Asc,
            Direction::Descending => Order::Desc,
        };
        for column in &self.rows.key {
            nearest.order_by(column.clone(), order.clone());
        }
        nearest
    }

    /// Compares the whole key at once, which is one range of an index.
    fn is_beyond(&self, place: &Place, direction: Direction) -> Expr {
        let columns = self.rows.key.iter().cloned().map(Expr::col);
        let values = place.values.iter().cloned().map(Expr::val);
        let (key, place_key) = (one_or_tuple(columns), one_or_tuple(values));
        match (direction, place.inclusive) {
            (Direction::Ascending, false) => key.gt(place_key),
            (Direction::Ascending, true) => key.gte(place_key),
            (Direction::Descending, false) => key.lt(place_key),
            (Direction::Descending, true) => key.lte(place_key),
        }
    }
}

/// Returns the only expression, or all as a tuple.
fn one_or_tuple(mut expressions: impl ExactSizeIterator<Item = Expr>) -> Expr {
    match (expressions.len(), expressions.next()) {
        (1, Some(only)) => only,
        (_, first) => Expr::tuple(first.into_iter().chain(expressions)),
    }
}

/// Returns the condition of a filter.
pub(in crate::store) fn selection<A: filter::Stored>(
    filter: Option<&Filter<A>>,
    dialect: &Dialect,
) -> Selection {
    filter.map_or(Selection::All, |filter| filter::select(filter, dialect))
}
