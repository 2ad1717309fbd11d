//! Cursors: places in a list, as callers carry them from page to page.

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use thiserror::Error;

use super::{
    ids::ClientId,
    page::{List, Position},
    sort::{Sort, SortField, SortValue},
    timestamp::Timestamp,
};

/// A text is no cursor of this list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InvalidCursor {
    /// It was not made here, or changed on its way.
    #[error("is not a cursor of a link")]
    Damaged,
    /// It was made for another list.
    #[error("is a cursor of a list with another filter or sort")]
    OtherList,
    /// Both directions at once.
    #[error("next and prev cannot be used together")]
    BothDirections,
}

/// The first byte of a cursor. The others are the sort, a zero, the fingerprint of the filter, whether the client itself
/// is included, the client, its value, and the first bytes of the SHA-256 of it all; in base64url. A cursor grants
/// nothing, so it is not signed.
const VERSION: u8 = 1;
const FINGERPRINT_LEN: usize = 8;
const CLIENT_ID_LEN: usize = 32;
const CHECKSUM_LEN: usize = 8;

/// Which list a cursor is for.
type Origin = (Sort, [u8; FINGERPRINT_LEN]);

impl List {
    /// The cursor for a place in this list.
    pub fn cursor(&self, position: &Position) -> String {
        let (sort, fingerprint) = self.origin();
        let mut bytes = vec![VERSION];
        bytes.extend(sort.to_string().bytes());
        bytes.push(0);
        bytes.extend(fingerprint);
        bytes.push(u8::from(position.inclusive));
        bytes.extend(position.client_id.as_str().bytes());
        match &position.value {
            SortValue::Text(text) => bytes.extend(text.bytes()),
            SortValue::Time(time) => bytes.extend(time.as_micros().to_be_bytes()),
        }
        let checksum: [u8; CHECKSUM_LEN] = sha256_prefix(&bytes);
        bytes.extend(checksum);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The place in this list that a cursor names.
    ///
    /// # Errors
    /// When it is no cursor, or one of another list.
    pub fn position_at(&self, cursor: &str) -> Result<Position, InvalidCursor> {
        let (origin, position) = decode(cursor).ok_or(InvalidCursor::Damaged)?;
        if origin == self.origin() {
            Ok(position)
        } else {
            Err(InvalidCursor::OtherList)
        }
    }

    /// The filter counts as it was read, not as it was written.
    fn origin(&self) -> Origin {
        let filter = self.filter.as_ref().map(ToString::to_string).unwrap_or_default();
        (self.sort, sha256_prefix(filter.as_bytes()))
    }
}

fn decode(cursor: &str) -> Option<(Origin, Position)> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let (body, checksum) = bytes.split_last_chunk::<CHECKSUM_LEN>()?;
    if sha256_prefix(body) != *checksum {
        return None;
    }
    let body = body.strip_prefix(&[VERSION])?;
    let (sort, rest) = body.split_at_checked(body.iter().position(|byte| *byte == 0)?)?;
    let sort = Sort::parse(str::from_utf8(sort).ok()?).ok()?;
    let (fingerprint, rest) = rest.strip_prefix(&[0])?.split_first_chunk()?;
    let (&[inclusive], rest) = rest.split_first_chunk()?;
    let (client_id, value) = rest.split_at_checked(CLIENT_ID_LEN)?;
    let position = Position {
        value: decode_value(sort.field, value)?,
        client_id: ClientId::parse(str::from_utf8(client_id).ok()?).ok()?,
        inclusive: inclusive != 0,
    };
    Some(((sort, *fingerprint), position))
}

fn decode_value(field: SortField, value: &[u8]) -> Option<SortValue> {
    match field {
        SortField::CreatedAt | SortField::UpdatedAt => {
            let micros = i64::from_be_bytes(value.try_into().ok()?);
            Some(SortValue::Time(Timestamp::from_micros(micros)))
        }
        SortField::ClientId | SortField::ClientName | SortField::AppType => {
            let text = String::from_utf8(value.to_vec()).ok()?;
            // No client has U+0000 in its name, and PostgreSQL could not even compare with it.
            (!text.contains('\0')).then_some(SortValue::Text(text))
        }
    }
}

fn sha256_prefix<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut prefix = [0; N];
    for (to, from) in prefix.iter_mut().zip(digest(&SHA256, bytes).as_ref()) {
        *to = *from;
    }
    prefix
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{filter::Filter, sort::Direction};

    fn lists() -> impl Strategy<Value = List> {
        let directions = vec![Direction::Ascending, Direction::Descending];
        let filters = vec![None, Some("clientName pr"), Some("clientName sw \"a\"")];
        (
            prop::sample::select(&SortField::ALL),
            prop::sample::select(directions),
            prop::sample::select(filters),
        )
            .prop_map(|((field, _), direction, filter)| List {
                sort: Sort { field, direction },
                filter: filter.map(|filter| Filter::parse(filter).unwrap()),
            })
    }

    fn places() -> impl Strategy<Value = (List, Position)> {
        (lists(), "[^\0]*", any::<i64>(), "[0-9a-f]{32}", any::<bool>()).prop_map(
            |(list, text, micros, id, inclusive)| {
                let value = match list.sort.field {
                    SortField::CreatedAt | SortField::UpdatedAt => {
                        SortValue::Time(Timestamp::from_micros(micros))
                    }
                    _ => SortValue::Text(text),
                };
                let client_id = ClientId::parse(&id).unwrap();
                (
                    list,
                    Position {
                        value,
                        client_id,
                        inclusive,
                    },
                )
            },
        )
    }

    proptest! {
        #[test]
        fn a_cursor_names_its_place_in_its_own_list_only((list, position) in places(), other in lists()) {
            let cursor = list.cursor(&position);
            prop_assert_eq!(list.position_at(&cursor), Ok(position));
            if other != list {
                prop_assert_eq!(other.position_at(&cursor), Err(InvalidCursor::OtherList));
            }
        }

        #[test]
        fn a_damaged_cursor_is_refused(
            (list, position) in places(),
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
        fn no_text_makes_the_cursor_reader_fail(text in any::<String>(), list in lists()) {
            prop_assert_eq!(list.position_at(&text), Err(InvalidCursor::Damaged));
        }
    }

    #[test]
    fn a_filter_counts_as_it_was_read() {
        let list = |filter| List {
            sort: Sort::DEFAULT,
            filter: Some(Filter::parse(filter).unwrap()),
        };
        let position = Position {
            value: SortValue::Time(Timestamp::from_micros(0)),
            client_id: ClientId::parse(&"0".repeat(32)).unwrap(),
            inclusive: false,
        };
        let cursor = list("CLIENTNAME  Eq \"a\"").cursor(&position);
        assert!(list("(clientName eq \"\\u0061\")").position_at(&cursor).is_ok());
        assert!(list("clientName eq \"A\"").position_at(&cursor).is_err());
    }

    #[test]
    fn the_saved_corpus_of_the_fuzzer_does_no_harm() {
        let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/cursor");
        let files: Vec<_> = std::fs::read_dir(corpus).unwrap().collect();
        assert!(files.len() > 4, "the corpus is there");
        for file in files {
            let mut bytes = std::fs::read(file.unwrap().path()).unwrap();
            let checksum: [u8; CHECKSUM_LEN] = sha256_prefix(&bytes);
            bytes.extend(checksum);
            if let Some((_, position)) = decode(&URL_SAFE_NO_PAD.encode(bytes)) {
                assert!(!position.client_id.as_str().is_empty());
            }
        }
    }
}
