//! The order of a list of clients.

use std::fmt;

use thiserror::Error;

use super::{client::Client, text::fold_case, timestamp::Timestamp};

/// What a list is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortField {
    /// The identifier.
    ClientId,
    /// The name, each code point lower-cased alone.
    ClientName,
    /// The type.
    AppType,
    /// When the client was created.
    CreatedAt,
    /// When the client last changed.
    UpdatedAt,
}

/// Which way a list is sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Least first.
    Ascending,
    /// Greatest first.
    Descending,
}

/// The order of a list. The identifier breaks ties, in the same direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sort {
    /// By what.
    pub field: SortField,
    /// Which way.
    pub direction: Direction,
}

/// A text is no order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be + or - and one of clientId, clientName, appType, createdAt, updatedAt")]
pub struct InvalidSort;

/// The value that a client is sorted by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SortValue {
    /// Compared by code point.
    Text(String),
    /// Compared as a point in time.
    Time(Timestamp),
}

impl SortField {
    pub(super) const ALL: [(Self, &'static str); 5] = [
        (Self::ClientId, "clientId"),
        (Self::ClientName, "clientName"),
        (Self::AppType, "appType"),
        (Self::CreatedAt, "createdAt"),
        (Self::UpdatedAt, "updatedAt"),
    ];

    /// The value of a client.
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
    /// The other way.
    #[must_use]
    pub const fn reverse(self) -> Self {
        match self {
            Self::Ascending => Self::Descending,
            Self::Descending => Self::Ascending,
        }
    }
}

impl Sort {
    /// Newest first.
    pub const DEFAULT: Self = Self {
        field: SortField::CreatedAt,
        direction: Direction::Descending,
    };

    /// Reads an order. A blank stands for the `+` that form-decoding made of it.
    ///
    /// # Errors
    /// When the text is none.
    pub fn parse(text: &str) -> Result<Self, InvalidSort> {
        let (direction, name) = match text.strip_prefix('-') {
            Some(name) => (Direction::Descending, name),
            None => (
                Direction::Ascending,
                text.strip_prefix(['+', ' ']).unwrap_or(text),
            ),
        };
        SortField::ALL
            .into_iter()
            .find(|(_, field)| *field == name)
            .map(|(field, _)| Self { field, direction })
            .ok_or(InvalidSort)
    }
}

impl fmt::Display for Sort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.direction {
            Direction::Ascending => '+',
            Direction::Descending => '-',
        };
        let name = SortField::ALL
            .into_iter()
            .find_map(|(field, name)| (field == self.field).then_some(name));
        write!(f, "{sign}{}", name.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sort_has_a_sign_or_none_and_a_field() {
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
