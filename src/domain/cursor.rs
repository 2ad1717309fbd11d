//! Cursors: positions in a list, as opaque texts that lead callers from page to page.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use thiserror::Error;

use super::{
    digest::sha256_prefix,
    ids::{CLIENT_ID_LEN, ClientId},
    page::{ClientKey, List, Ordered, Position},
    sort::{SortField, SortValue},
    timestamp::Timestamp,
};

/// A text is not a cursor of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InvalidCursor {
    /// The cursor was not made here, or was altered.
    #[error("must be a cursor from a link")]
    Damaged,
    /// The cursor was made for another list.
    #[error("must be a cursor of a list with the same filter and sort")]
    OtherList,
    /// The request has a cursor for each direction.
    #[error("must not be used together with next")]
    BothDirections,
}

/// The first byte of a cursor. It is followed by the order, a zero, the fingerprint of the filter, `inclusive`, the key, and
/// a checksum of the preceding bytes; all in base64url. A cursor grants nothing, so it is not signed.
const VERSION: u8 = 1;
const FINGERPRINT_LEN: usize = 8;
const CHECKSUM_LEN: usize = 8;

/// A list whose positions have cursors.
pub trait Cursors: Ordered {
    /// Returns the name of the order, which no other list has.
    fn order(&self) -> String;

    /// Returns the text of the filter as it was parsed, so that filters which differ only in their text are the same.
    fn filter_text(&self) -> String;

    /// Writes the key of an item.
    fn write_key(&self, key: &Self::Key) -> Vec<u8>;

    /// Reads the key of an item, or returns `None` if it is malformed.
    fn read_key(&self, bytes: &[u8]) -> Option<Self::Key>;

    /// Returns the cursor of a position in this list.
    fn cursor(&self, position: &Position<Self::Key>) -> String {
        let mut bytes = vec![VERSION];
        bytes.extend(self.order().bytes());
        bytes.push(0);
        bytes.extend(fingerprint(&self.filter_text()));
        bytes.push(u8::from(position.inclusive));
        bytes.extend(self.write_key(&position.key));
        let checksum: [u8; CHECKSUM_LEN] = sha256_prefix(&bytes);
        bytes.extend(checksum);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Returns the position of a cursor in this list.
    ///
    /// # Errors
    /// If the text is not a cursor, or a cursor of another list.
    fn position_at(&self, cursor: &str) -> Result<Position<Self::Key>, InvalidCursor> {
        let bytes = unseal(cursor).ok_or(InvalidCursor::Damaged)?;
        let opened = Opened::read(&bytes).ok_or(InvalidCursor::Damaged)?;
        let is_own =
            opened.order == self.order().as_bytes() && opened.fingerprint == fingerprint(&self.filter_text());
        if !is_own {
            return Err(InvalidCursor::OtherList);
        }
        Ok(Position {
            key: self.read_key(opened.key).ok_or(InvalidCursor::Damaged)?,
            inclusive: opened.inclusive,
        })
    }
}

/// The parts of a cursor.
struct Opened<'a> {
    order: &'a [u8],
    fingerprint: [u8; FINGERPRINT_LEN],
    inclusive: bool,
    key: &'a [u8],
}

impl<'a> Opened<'a> {
    fn read(body: &'a [u8]) -> Option<Self> {
        let body = body.strip_prefix(&[VERSION])?;
        let (order, rest) = body.split_at_checked(body.iter().position(|byte| *byte == 0)?)?;
        let (fingerprint, rest) = rest.strip_prefix(&[0])?.split_first_chunk()?;
        let (&[inclusive], key) = rest.split_first_chunk()?;
        Some(Self {
            order,
            fingerprint: *fingerprint,
            inclusive: inclusive != 0,
            key,
        })
    }
}

fn fingerprint(filter: &str) -> [u8; FINGERPRINT_LEN] {
    sha256_prefix(filter.as_bytes())
}

/// Decodes a cursor, and returns it without its checksum. `None` if it is damaged.
fn unseal(cursor: &str) -> Option<Vec<u8>> {
    let mut bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let (body, checksum) = bytes.split_last_chunk::<CHECKSUM_LEN>()?;
    if sha256_prefix(body) != *checksum {
        return None;
    }
    bytes.truncate(body.len());
    Some(bytes)
}

impl Cursors for List {
    fn order(&self) -> String {
        self.sort.to_string()
    }

    fn filter_text(&self) -> String {
        self.filter.as_ref().map(ToString::to_string).unwrap_or_default()
    }

    fn write_key(&self, key: &ClientKey) -> Vec<u8> {
        let mut bytes = key.client_id.as_str().as_bytes().to_vec();
        match &key.value {
            SortValue::Text(text) => bytes.extend(text.bytes()),
            SortValue::Time(time) => bytes.extend(time.as_micros().to_be_bytes()),
        }
        bytes
    }

    fn read_key(&self, bytes: &[u8]) -> Option<ClientKey> {
        let (client_id, value) = bytes.split_at_checked(CLIENT_ID_LEN)?;
        Some(ClientKey {
            value: read_value(self.sort.field, value)?,
            client_id: ClientId::parse(str::from_utf8(client_id).ok()?).ok()?,
        })
    }
}

fn read_value(field: SortField, value: &[u8]) -> Option<SortValue> {
    match field {
        SortField::CreatedAt | SortField::UpdatedAt => {
            let micros = i64::from_be_bytes(value.try_into().ok()?);
            Some(SortValue::Time(Timestamp::from_micros(micros)))
        }
        SortField::ClientId | SortField::ClientName | SortField::AppType => {
            let text = String::from_utf8(value.to_vec()).ok()?;
            // No name has U+0000, and PostgreSQL cannot compare with it.
            (!text.contains('\0')).then_some(SortValue::Text(text))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{
        filter::Filter,
        sort::{Direction, Sort},
    };

    fn lists() -> impl Strategy<Value = List> {
        let directions = vec![Direction::Ascending, Direction::Descending];
        let filters = vec![None, Some("clientName pr"), Some("clientName sw \"a\"")];
        (
            prop::sample::select(&SortField::ALL[..]),
            prop::sample::select(directions),
            prop::sample::select(filters),
        )
            .prop_map(|(field, direction, filter)| List {
                sort: Sort { field, direction },
                filter: filter.map(|filter| Filter::parse(filter).unwrap()),
            })
    }

    fn positions() -> impl Strategy<Value = (List, Position)> {
        (lists(), "[^\0]*", any::<i64>(), "[0-9a-f]{32}", any::<bool>()).prop_map(
            |(list, text, micros, id, inclusive)| {
                let value = match list.sort.field {
                    SortField::CreatedAt | SortField::UpdatedAt => {
                        SortValue::Time(Timestamp::from_micros(micros))
                    }
                    _ => SortValue::Text(text),
                };
                let client_id = ClientId::parse(&id).unwrap();
                let key = ClientKey { value, client_id };
                (list, Position { key, inclusive })
            },
        )
    }

    proptest! {
        #[test]
        fn a_cursor_names_its_position_in_its_own_list_only((list, position) in positions(), other in lists()) {
            let cursor = list.cursor(&position);
            prop_assert_eq!(list.position_at(&cursor), Ok(position));
            if other != list {
                prop_assert_eq!(other.position_at(&cursor), Err(InvalidCursor::OtherList));
            }
        }

        #[test]
        fn a_damaged_cursor_is_rejected(
            (list, position) in positions(),
            at in any::<prop::sample::Index>(),
            with in "[A-Za-z0-9_-]",
        ) {
            let cursor = list.cursor(&position);
            let index = at.index(cursor.len());
            let mut damaged = cursor.clone();
            damaged.replace_range(index..=index, &with);
            prop_assume!(damaged != cursor);
            prop_assert_eq!(list.position_at(&damaged), Err(InvalidCursor::Damaged));
            prop_assert_eq!(list.position_at(&cursor[..index]), Err(InvalidCursor::Damaged));
        }

        #[test]
        fn no_text_makes_decoding_panic(text in any::<String>(), list in lists()) {
            prop_assert_eq!(list.position_at(&text), Err(InvalidCursor::Damaged));
        }
    }

    #[test]
    fn a_cursor_belongs_to_the_parsed_filter() {
        let list = |filter| List {
            sort: Sort::DEFAULT,
            filter: Some(Filter::parse(filter).unwrap()),
        };
        let position = Position::next_to(ClientKey {
            value: SortValue::Time(Timestamp::from_micros(0)),
            client_id: ClientId::parse(&"0".repeat(32)).unwrap(),
        });
        let cursor = list("CLIENTNAME  Eq \"a\"").cursor(&position);
        assert!(list("(clientName eq \"\\u0061\")").position_at(&cursor).is_ok());
        assert!(list("clientName eq \"A\"").position_at(&cursor).is_err());
    }

    #[test]
    fn the_fuzzing_corpus_is_decoded_without_panic() {
        let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/cursor");
        let files: Vec<_> = std::fs::read_dir(corpus).unwrap().collect();
        assert!(files.len() > 4, "the corpus is missing");
        let mut decoded = 0;
        for file in files {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            let Some(opened) = Opened::read(&bytes) else {
                continue;
            };
            for field in SortField::ALL {
                let direction = Direction::Ascending;
                let sort = Sort { field, direction };
                let key = List { sort, filter: None }.read_key(opened.key);
                decoded += usize::from(key.is_some());
            }
        }
        assert!(decoded > 0, "the corpus has cursors");
    }
}
