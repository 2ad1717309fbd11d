//! The order of a list of clients.

use std::fmt;

use thiserror::Error;

use super::{
    client::Client,
    closed_set::{closed_set, one_of},
    text::fold_case,
    timestamp::Timestamp,
};

closed_set! {
    /// The member by which a list is sorted.
    pub enum SortField {
        /// The identifier.
        ClientId = "clientId",
        /// The name, with each code point lower-cased on its own.
        ClientName = "clientName",
        /// The type.
        AppType = "appType",
        /// The time of creation.
        CreatedAt = "createdAt",
        /// The time of the last change.
        UpdatedAt = "updatedAt",
    }
}

/// The direction in which a list is sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Least value first.
    Ascending,
    /// Greatest value first.
    Descending,
}

/// The order of a list. The identifier breaks ties, in the same direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sort {
    /// The member by which the list is sorted.
    pub field: SortField,
    /// The direction.
    pub direction: Direction,
}

/// A text is not an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be {}, optionally with + or - before it", one_of(SortField::NAMES))]
pub struct InvalidSort;

/// The value by which a client is sorted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum SortValue {
    /// Compared by code point.
    Text(String),
    /// Compared as a time.
    Time(Timestamp),
}

impl SortField {
    /// Returns the value of a client.
    pub fn value(self, client: &Client) -> SortValue {
        match self {
            Self::ClientId => SortValue::Text(client.id.as_str().to_owned()),
            Self::ClientName => SortValue::Text(fold_case(
                client.metadata.client_name.as_deref().unwrap_or_default(),
            )),
            Self::AppType => SortValue::Text(client.metadata.app_type().as_str().to_owned()),
            Self::CreatedAt => SortValue::Time(client.created_at),
            Self::UpdatedAt => SortValue::Time(client.updated_at),
        }
    }
}

impl Direction {
    /// Returns the opposite direction.
    #[must_use]
    pub const fn reverse(self) -> Self {
        match self {
            Self::Ascending => Self::Descending,
            Self::Descending => Self::Ascending,
        }
    }
}

impl Sort {
    /// Newest client first.
    pub const DEFAULT: Self = Self {
        field: SortField::CreatedAt,
        direction: Direction::Descending,
    };

    /// Parses an order. A space stands for a `+` that was decoded as one (`application/x-www-form-urlencoded`).
    ///
    /// # Errors
    /// If the text is not an order.
    pub fn parse(text: &str) -> Result<Self, InvalidSort> {
        let (direction, name) = match text.strip_prefix('-') {
            Some(name) => (Direction::Descending, name),
            None => (
                Direction::Ascending,
                text.strip_prefix(['+', ' ']).unwrap_or(text),
            ),
        };
        let field = SortField::parse(name).ok_or(InvalidSort)?;
        Ok(Self { field, direction })
    }
}

impl fmt::Display for Sort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.direction {
            Direction::Ascending => '+',
            Direction::Descending => '-',
        };
        write!(f, "{sign}{}", self.field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_a_field_with_an_optional_sign() {
        for text in ["+clientName", "clientName", " clientName"] {
            assert_eq!(Sort::parse(text).unwrap().to_string(), "+clientName", "{text}");
        }
        assert_eq!(Sort::parse("-createdAt"), Ok(Sort::DEFAULT));
        for text in [
            "",
            "+",
            "-",
            "name",
            "clientname",
            "--clientName",
            "clientName ",
            "description",
        ] {
            assert_eq!(Sort::parse(text), Err(InvalidSort), "{text:?}");
        }
    }
}
