//! Pages of a list: of clients, or of others.

use thiserror::Error;

use super::{
    client::Client,
    filter::Filter,
    ids::ClientId,
    sort::{Sort, SortValue},
};

/// A list, whose items have an order.
pub trait Ordered {
    /// The values by which an item is sorted, the first first. No two items have the same.
    type Key: Clone + Ord;
}

/// A list of clients: a selection and its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    /// The order of the clients.
    pub sort: Sort,
    /// The selection. `None` selects all clients.
    pub filter: Option<Filter>,
}

/// The maximum number of items of a page, from 1 to [`Limit::MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit(u64);

/// A number is not a valid limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be 1 to {}", Limit::MAX.0)]
pub struct InvalidLimit;

/// The values by which a client is sorted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClientKey {
    /// The value of the member.
    pub value: SortValue,
    /// The client.
    pub client_id: ClientId,
}

/// A position in a list, next to an item that may no longer exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position<K = ClientKey> {
    /// The item.
    pub key: K,
    /// `true` if the item itself belongs to the page that starts here.
    pub inclusive: bool,
}

/// The point in a list from which a page is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start<K = ClientKey> {
    /// The beginning: the page has the first items.
    First,
    /// A position: the page has the items after it.
    After(Position<K>),
    /// A position: the page has the items before it.
    Before(Position<K>),
}

/// A request for a page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest<L: Ordered = List> {
    /// The list.
    pub list: L,
    /// The maximum number of items.
    pub limit: Limit,
    /// The point from which the page is read.
    pub start: Start<L::Key>,
    /// `true` to count the items of the whole list.
    pub count: bool,
}

impl Ordered for List {
    type Key = ClientKey;
}

impl List {
    /// Returns the values by which a client is sorted in this list.
    pub fn key(&self, client: &Client) -> ClientKey {
        ClientKey {
            value: self.sort.field.value(client),
            client_id: client.id.clone(),
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

impl<K> Position<K> {
    /// Returns the position after an item, or before it, which excludes the item itself.
    pub const fn next_to(key: K) -> Self {
        Self {
            key,
            inclusive: false,
        }
    }

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
