//! Pages of a list of clients.

use thiserror::Error;

use super::{
    client::Client,
    filter::Filter,
    ids::ClientId,
    sort::{Sort, SortValue},
};

/// A list of clients: a selection and its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    /// The order of the clients.
    pub sort: Sort,
    /// The selection. `None` selects all clients.
    pub filter: Option<Filter>,
}

/// The maximum number of clients of a page, from 1 to [`Limit::MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit(u64);

/// A number is not a valid limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be 1 to {}", Limit::MAX.0)]
pub struct InvalidLimit;

/// A position in a list, next to a client that may no longer exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The value by which the client is sorted.
    pub value: SortValue,
    /// The client.
    pub client_id: ClientId,
    /// `true` if the client itself belongs to the page that starts here.
    pub inclusive: bool,
}

/// The point in a list from which a page is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// The beginning: the page has the first clients.
    First,
    /// A position: the page has the clients after it.
    After(Position),
    /// A position: the page has the clients before it.
    Before(Position),
}

/// A request for a page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// The list.
    pub list: List,
    /// The maximum number of clients.
    pub limit: Limit,
    /// The point from which the page is read.
    pub start: Start,
    /// `true` to count the clients of the whole list.
    pub count: bool,
}

impl List {
    /// Returns the position of a client in this list, which excludes the client itself.
    pub fn position(&self, client: &Client) -> Position {
        Position {
            value: self.sort.field.value(client),
            client_id: client.id.clone(),
            inclusive: false,
        }
    }
}

impl Limit {
    /// The limit of a request that states none.
    pub const DEFAULT: Self = Self(20);
    /// The greatest limit.
    pub const MAX: Self = Self(100);

    /// Parses a limit.
    ///
    /// # Errors
    /// If it is not 1 to [`Limit::MAX`].
    pub fn parse(number: i64) -> Result<Self, InvalidLimit> {
        match u64::try_from(number) {
            Ok(number) if (1..=Self::MAX.0).contains(&number) => Ok(Self(number)),
            _ => Err(InvalidLimit),
        }
    }

    /// Returns the limit as a number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl Position {
    /// Returns the same position for a page in the other direction.
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
