//! Pages of a list: how many clients, in which order, and from where.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use thiserror::Error;

use super::{client::Client, ids::ClientId, text::fold_case, timestamp::Timestamp};

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

/// How many clients a page holds at most: 1 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit(u64);

/// A number is no page size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be 1 to 100")]
pub struct InvalidLimit;

/// The value that a client is sorted by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SortValue {
    /// Compared by code point.
    Text(String),
    /// Compared as a point in time.
    Time(Timestamp),
}

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
    /// The order of the list.
    pub sort: Sort,
    /// The size of the page.
    pub limit: Limit,
    /// From where.
    pub start: Start,
}

/// A page of a list.
#[derive(Debug, Clone)]
pub struct Page {
    /// The clients.
    pub clients: Vec<Client>,
    /// Where the page after it begins, if a client follows.
    pub next: Option<Position>,
    /// Where the page before it ends, if a client precedes.
    pub prev: Option<Position>,
}

/// A text is no cursor of this list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InvalidCursor {
    /// It was not made here, or changed on its way.
    #[error("is not a cursor of a link")]
    Damaged,
    /// It was made for a list in another order.
    #[error("is a cursor of a list with another sort")]
    OtherSort,
    /// Both directions at once.
    #[error("next and prev cannot be used together")]
    BothDirections,
}

impl SortField {
    const ALL: [(Self, &'static str); 5] = [
        (Self::ClientId, "clientId"),
        (Self::ClientName, "clientName"),
        (Self::AppType, "appType"),
        (Self::CreatedAt, "createdAt"),
        (Self::UpdatedAt, "updatedAt"),
    ];

    /// The value of a client.
    fn value(self, client: &Client) -> SortValue {
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

    /// The place of a client in a list of this order, just beside the client.
    pub fn position(self, client: &Client) -> Position {
        Position {
            value: self.field.value(client),
            client_id: client.id.clone(),
            inclusive: false,
        }
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

/// How a cursor is laid out: this byte, a byte for the sort, one for `inclusive`, the client, the value, and the first
/// bytes of the SHA-256 of it all, in base64url. It grants nothing, so it is not signed.
const CURSOR_VERSION: u8 = 1;
const CLIENT_ID_LEN: usize = 32;
const CHECKSUM_LEN: usize = 8;

impl Position {
    /// The cursor for this place in a list of this order.
    pub fn to_cursor(&self, sort: Sort) -> String {
        let mut bytes = vec![CURSOR_VERSION];
        bytes.extend(sort.to_string().bytes());
        bytes.push(0);
        bytes.push(u8::from(self.inclusive));
        bytes.extend(self.client_id.as_str().bytes());
        match &self.value {
            SortValue::Text(text) => bytes.extend(text.bytes()),
            SortValue::Time(time) => bytes.extend(time.as_micros().to_be_bytes()),
        }
        let checksum = checksum(&bytes);
        bytes.extend(checksum);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The place that a cursor names in a list of this order.
    ///
    /// # Errors
    /// When it is no cursor, or one of a list in another order.
    pub fn from_cursor(cursor: &str, sort: Sort) -> Result<Self, InvalidCursor> {
        let (cursor_sort, position) = decode_cursor(cursor).ok_or(InvalidCursor::Damaged)?;
        if cursor_sort == sort {
            Ok(position)
        } else {
            Err(InvalidCursor::OtherSort)
        }
    }
}

fn decode_cursor(cursor: &str) -> Option<(Sort, Position)> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let (body, sum) = bytes.split_at_checked(bytes.len().checked_sub(CHECKSUM_LEN)?)?;
    if checksum(body) != sum {
        return None;
    }
    let body = body.strip_prefix(&[CURSOR_VERSION])?;
    let (sort, rest) = body.split_at_checked(body.iter().position(|byte| *byte == 0)?)?;
    let sort = Sort::parse(str::from_utf8(sort).ok()?).ok()?;
    let (&[_, inclusive], rest) = rest.split_first_chunk::<2>()?;
    let (client_id, value) = rest.split_at_checked(CLIENT_ID_LEN)?;
    let position = Position {
        value: match sort.field {
            SortField::CreatedAt | SortField::UpdatedAt => {
                let micros = i64::from_be_bytes(value.try_into().ok()?);
                SortValue::Time(Timestamp::from_micros(micros))
            }
            SortField::ClientId | SortField::ClientName | SortField::AppType => {
                SortValue::Text(String::from_utf8(value.to_vec()).ok()?)
            }
        },
        client_id: ClientId::parse(str::from_utf8(client_id).ok()?).ok()?,
        inclusive: inclusive != 0,
    };
    Some((sort, position))
}

fn checksum(bytes: &[u8]) -> Vec<u8> {
    let hash = digest(&SHA256, bytes);
    hash.as_ref().iter().copied().take(CHECKSUM_LEN).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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

    #[test]
    fn a_limit_is_1_to_100() {
        assert_eq!(Limit::parse(1).map(Limit::get), Ok(1));
        assert_eq!(Limit::parse(100).map(Limit::get), Ok(100));
        for number in [0, -1, 101, i64::MIN, i64::MAX] {
            assert_eq!(Limit::parse(number), Err(InvalidLimit), "{number}");
        }
    }

    fn sorts() -> impl Strategy<Value = Sort> {
        let directions = vec![Direction::Ascending, Direction::Descending];
        (
            prop::sample::select(&SortField::ALL),
            prop::sample::select(directions),
        )
            .prop_map(|((field, _), direction)| Sort { field, direction })
    }

    fn positions() -> impl Strategy<Value = (Sort, Position)> {
        (
            sorts(),
            any::<String>(),
            any::<i64>(),
            "[0-9a-f]{32}",
            any::<bool>(),
        )
            .prop_map(|(sort, text, micros, id, inclusive)| {
                let value = match sort.field {
                    SortField::CreatedAt | SortField::UpdatedAt => {
                        SortValue::Time(Timestamp::from_micros(micros))
                    }
                    _ => SortValue::Text(text),
                };
                let client_id = ClientId::parse(&id).unwrap();
                (
                    sort,
                    Position {
                        value,
                        client_id,
                        inclusive,
                    },
                )
            })
    }

    proptest! {
        #[test]
        fn a_cursor_names_its_place_in_its_own_order_only((sort, position) in positions(), other in sorts()) {
            let cursor = position.to_cursor(sort);
            prop_assert_eq!(Position::from_cursor(&cursor, sort), Ok(position));
            if other != sort {
                prop_assert_eq!(Position::from_cursor(&cursor, other), Err(InvalidCursor::OtherSort));
            }
        }

        #[test]
        fn a_damaged_cursor_is_refused((sort, position) in positions(), at in any::<prop::sample::Index>(), with in "[A-Za-z0-9_-]") {
            let cursor = position.to_cursor(sort);
            let index = at.index(cursor.len());
            let mut damaged = cursor.clone();
            damaged.replace_range(index..=index, &with);
            prop_assume!(damaged != cursor);
            prop_assert_eq!(Position::from_cursor(&damaged, sort), Err(InvalidCursor::Damaged));
            prop_assert_eq!(Position::from_cursor(&cursor[..index], sort), Err(InvalidCursor::Damaged));
        }

        #[test]
        fn no_text_makes_the_cursor_reader_fail(text in any::<String>()) {
            prop_assert_eq!(Position::from_cursor(&text, Sort::DEFAULT), Err(InvalidCursor::Damaged));
        }
    }
}
