//! The outline of a page: which rows it has, and what lies on either side.

use sea_orm::{DbErr, QueryResult};

use super::{
    page::Page,
    query::{Part, Stored, Walk},
};
use crate::{
    domain::{
        page::{Ordered, PageRequest, Position, Start},
        sort::Direction,
    },
    store::error::StoreError,
};

/// The rows of a page, in the order of the list, and what lies on either side.
#[derive(Debug)]
pub(super) struct Outline<R> {
    pub(super) listed: Vec<R>,
    /// Is `true` if a row lies on the side to which the walk goes.
    beyond: bool,
    /// Is `true` if a row lies on the side from which the walk came.
    behind: bool,
    total: Option<u64>,
}

/// A row of a list.
pub(super) trait Listed: Sized {
    /// The list.
    type List: Stored;

    /// Returns the values by which the row is sorted.
    fn key(&self) -> &<Self::List as Ordered>::Key;

    /// Reads the columns of the list. There are none if the page is empty.
    fn from_row(row: &QueryResult, list: &Self::List) -> Result<Option<Self>, StoreError>;
}

impl<R: Listed> Outline<R> {
    /// Reads the rows of the [statement](super::query::ListQuery::outline) for an outline.
    pub(super) fn from_rows(
        rows: &[QueryResult],
        request: &PageRequest<R::List>,
    ) -> Result<Self, StoreError> {
        let any = rows
            .first()
            .ok_or_else(|| DbErr::RecordNotFound("a row that is always there".to_owned()))?;
        let of_list = request.list.rows();
        let width = of_list.columns.len();
        let behind = any.try_get_by_index(width)?;
        let total = if request.count {
            let total: i64 = any.try_get_by_index(width + 1)?;
            Some(total.unsigned_abs())
        } else {
            None
        };
        let mut listed = Vec::with_capacity(rows.len());
        for row in rows {
            listed.extend(R::from_row(row, &request.list)?);
        }
        let walk = Part::of(request).walk;
        let direction = walk.direction(of_list.direction);
        listed.sort_by(|a, b| match direction {
            Direction::Ascending => a.key().cmp(b.key()),
            Direction::Descending => b.key().cmp(a.key()),
        });
        let limit = usize::try_from(request.limit.get()).unwrap_or(usize::MAX);
        let beyond = listed.len() > limit;
        listed.truncate(limit);
        if walk == Walk::Backward {
            listed.reverse();
        }
        Ok(Self {
            listed,
            beyond,
            behind,
            total,
        })
    }

    /// Returns the page of items that were made of the rows.
    pub(super) fn page<T>(
        self,
        request: &PageRequest<R::List>,
        items: impl FnOnce(Vec<R>) -> Vec<T>,
    ) -> Page<T, <R::List as Ordered>::Key> {
        let position = |row: &R| Position::next_to(row.key().clone());
        let (first, last) = (
            self.listed.first().map(position),
            self.listed.last().map(position),
        );
        // Of an empty page, the other side of its start is behind.
        let start = || match &request.start {
            Start::First => None,
            Start::After(from) | Start::Before(from) => Some(from.clone().reverse()),
        };
        let (next, prev) = match Part::of(request).walk {
            Walk::Forward => (
                last.filter(|_| self.beyond),
                first.or_else(start).filter(|_| self.behind),
            ),
            Walk::Backward => (
                last.or_else(start).filter(|_| self.behind),
                first.filter(|_| self.beyond),
            ),
        };
        Page {
            items: items(self.listed),
            next,
            prev,
            total: self.total,
        }
    }
}
