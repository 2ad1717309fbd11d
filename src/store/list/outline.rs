//! The outline of a page: which clients it has, and what lies on either side.

use std::{cmp::Ordering, sync::Arc};

use sea_orm::{DbErr, QueryResult};

use super::{
    page::Page,
    query::{Place, Walk},
};
use crate::{
    domain::{
        ids::ClientId,
        page::{PageRequest, Position},
        sort::{Direction, SortField, SortValue},
        timestamp::Timestamp,
    },
    store::{
        cache::StoredClient,
        error::{Corrupt, StoreError},
    },
};

/// The clients of a page, in the order of the list, and what lies on either side.
#[derive(Debug)]
pub(super) struct Outline {
    pub(super) listed: Vec<Listed>,
    /// Is `true` if a client lies on the side to which the walk goes.
    beyond: bool,
    /// Is `true` if a client lies on the side from which the walk came.
    behind: bool,
    total: Option<u64>,
}

/// A client of a page.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) client_id: ClientId,
    pub(super) version: i64,
    value: SortValue,
}

/// The columns of the statement for an outline.
mod column {
    pub(super) const CLIENT_ID: usize = 0;
    pub(super) const VERSION: usize = 1;
    pub(super) const VALUE: usize = 2;
    pub(super) const BEHIND: usize = 3;
    pub(super) const TOTAL: usize = 4;
}

impl Outline {
    /// Reads the rows of the [statement](super::query::ListQuery::outline) for an outline.
    pub(super) fn from_rows(rows: &[QueryResult], request: &PageRequest) -> Result<Self, StoreError> {
        let any = rows
            .first()
            .ok_or_else(|| DbErr::RecordNotFound("a row that is always there".to_owned()))?;
        let behind = any.try_get_by_index(column::BEHIND)?;
        let total = if request.count {
            let total: i64 = any.try_get_by_index(column::TOTAL)?;
            Some(total.unsigned_abs())
        } else {
            None
        };
        let sort = request.list.sort;
        let mut listed = Vec::with_capacity(rows.len());
        for row in rows {
            listed.extend(Listed::from_row(row, sort.field)?);
        }
        let walk = Place::of(request).walk;
        let direction = walk.direction(sort);
        listed.sort_by(|a, b| a.compare(b, direction));
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

    /// Returns the page with these clients.
    pub(super) fn page(self, clients: Vec<Arc<StoredClient>>, request: &PageRequest) -> Page {
        let Place { walk, from, .. } = Place::of(request);
        let mut ends = self.listed.into_iter().map(Listed::position);
        let (first, last) = (ends.next(), ends.next_back());
        let last = last.or_else(|| first.clone());
        // Of an empty page, the other side of its start is behind.
        let start = || from.cloned().map(Position::reverse);
        let (next, prev) = match walk {
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
            clients,
            next,
            prev,
            total: self.total,
        }
    }
}

impl Listed {
    /// Reads a client. The row has none if the page is empty.
    fn from_row(row: &QueryResult, field: SortField) -> Result<Option<Self>, StoreError> {
        let Some(id) = row.try_get_by_index::<Option<String>>(column::CLIENT_ID)? else {
            return Ok(None);
        };
        let corrupt = |_| Corrupt {
            table: "oauth_clients",
            column: "client_id",
            client_id: id.clone(),
        };
        let value = match field {
            SortField::ClientId | SortField::ClientName | SortField::AppType => {
                SortValue::Text(row.try_get_by_index(column::VALUE)?)
            }
            SortField::CreatedAt | SortField::UpdatedAt => {
                SortValue::Time(Timestamp::from_micros(row.try_get_by_index(column::VALUE)?))
            }
        };
        Ok(Some(Self {
            client_id: ClientId::parse(&id).map_err(corrupt)?,
            version: row.try_get_by_index(column::VERSION)?,
            value,
        }))
    }

    fn compare(&self, other: &Self, direction: Direction) -> Ordering {
        let ascending = (&self.value, self.client_id.as_str()).cmp(&(&other.value, other.client_id.as_str()));
        match direction {
            Direction::Ascending => ascending,
            Direction::Descending => ascending.reverse(),
        }
    }

    fn position(self) -> Position {
        Position {
            value: self.value,
            client_id: self.client_id,
            inclusive: false,
        }
    }
}
