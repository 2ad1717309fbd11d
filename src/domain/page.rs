//! Pages of a list of clients.

use thiserror::Error;

use super::{
    client::Client,
    filter::Filter,
    ids::ClientId,
    sort::{Sort, SortValue},
};

/// Which clients, in which order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    /// The order.
    pub sort: Sort,
    /// Which ones. Nothing means all.
    pub filter: Option<Filter>,
}

/// How many clients a page holds at most: 1 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit(u64);

/// A number is no page size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be 1 to 100")]
pub struct InvalidLimit;

/// A place between the clients of a list: next to a client, which need not exist any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The value of the client that the list is sorted by.
    pub value: SortValue,
    /// The client itself.
    pub client_id: ClientId,
    /// Whether the client itself is on the side that is looked at.
    pub inclusive: bool,
}

/// From where a page is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// From the first client on.
    First,
    /// The clients after a place.
    After(Position),
    /// The clients before a place.
    Before(Position),
}

/// Which page of a list to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// The list.
    pub list: List,
    /// The size of the page.
    pub limit: Limit,
    /// From where.
    pub start: Start,
    /// Whether to count the whole list.
    pub count: bool,
}

/// A page of a list.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// The clients.
    pub clients: Vec<Client>,
    /// Where the page after it begins, if a client follows.
    pub next: Option<Position>,
    /// Where the page before it ends, if a client precedes.
    pub prev: Option<Position>,
    /// How many clients the whole list has, if that was asked.
    pub total: Option<u64>,
}

impl List {
    /// The place of a client in this list, just beside the client.
    pub fn position(&self, client: &Client) -> Position {
        Position {
            value: self.sort.field.value(client),
            client_id: client.id.clone(),
            inclusive: false,
        }
    }
}

impl Limit {
    /// 20.
    pub const DEFAULT: Self = Self(20);

    /// Reads a page size.
    ///
    /// # Errors
    /// When it is not 1 to 100.
    pub fn parse(number: i64) -> Result<Self, InvalidLimit> {
        match u64::try_from(number) {
            Ok(number @ 1..=100) => Ok(Self(number)),
            _ => Err(InvalidLimit),
        }
    }

    /// The page size as a number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl Position {
    /// The same place, seen from its other side.
    #[must_use]
    pub fn reverse(self) -> Self {
        Self {
            inclusive: !self.inclusive,
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_1_to_100() {
        assert_eq!(Limit::parse(1).map(Limit::get), Ok(1));
        assert_eq!(Limit::parse(100).map(Limit::get), Ok(100));
        for number in [0, -1, 101, i64::MIN, i64::MAX] {
            assert_eq!(Limit::parse(number), Err(InvalidLimit), "{number}");
        }
    }
}
