//! Lists of change records.

use super::{
    change_update::ChangeUpdate,
    cursor::Cursors,
    filter::{ChangeAttribute, Filter},
    ids::{CLIENT_ID_LEN, ClientId},
    page::Ordered,
    revision::Revision,
    timestamp::Timestamp,
};

/// A list of change records, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeList {
    /// The selection. `None` selects all records.
    pub filter: Option<Filter<ChangeAttribute>>,
}

/// The record of a change. Its texts are those that were written, perhaps by a newer server, and are not parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeRecord {
    /// The time, the client and its revision after the change, which name the record.
    pub key: ChangeKey,
    /// The type of the change.
    pub change_type: String,
    /// The subject that made the change.
    pub actor: String,
    /// The id of the request that made the change, unless a server of an older version wrote the record.
    pub correlation_id: Option<String>,
    /// The members that differ.
    pub updates: Vec<ChangeUpdate>,
}

/// The values by which a change record is sorted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChangeKey {
    /// The time of the change.
    pub time: Timestamp,
    /// The client.
    pub client_id: ClientId,
    /// The revision of the client after the change.
    pub revision: Revision,
}

impl Ordered for ChangeList {
    type Key = ChangeKey;
}

impl Cursors for ChangeList {
    fn order(&self) -> String {
        "-time".to_owned()
    }

    fn filter_text(&self) -> String {
        self.filter.as_ref().map(ToString::to_string).unwrap_or_default()
    }

    fn write_key(&self, key: &ChangeKey) -> Vec<u8> {
        let mut bytes = key.client_id.as_str().as_bytes().to_vec();
        bytes.extend(key.time.as_micros().to_be_bytes());
        bytes.extend(key.revision.number().to_be_bytes());
        bytes
    }

    fn read_key(&self, bytes: &[u8]) -> Option<ChangeKey> {
        let (client_id, rest) = bytes.split_at_checked(CLIENT_ID_LEN)?;
        let (time, revision) = rest.split_first_chunk()?;
        Some(ChangeKey {
            time: Timestamp::from_micros(i64::from_be_bytes(*time)),
            client_id: ClientId::parse(str::from_utf8(client_id).ok()?).ok()?,
            revision: Revision::from_number(i64::from_be_bytes(revision.try_into().ok()?)),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{
        cursor::InvalidCursor,
        page::{ClientKey, List, Position},
        sort::{Direction, Sort, SortField, SortValue},
    };

    fn list(filter: Option<&str>) -> ChangeList {
        ChangeList {
            filter: filter.map(|filter| Filter::parse(filter).unwrap()),
        }
    }

    fn positions() -> impl Strategy<Value = Position<ChangeKey>> {
        (any::<i64>(), "[0-9a-f]{32}", any::<i64>(), any::<bool>()).prop_map(
            |(time, client_id, revision, inclusive)| Position {
                key: ChangeKey {
                    time: Timestamp::from_micros(time),
                    client_id: ClientId::parse(&client_id).unwrap(),
                    revision: Revision::from_number(revision),
                },
                inclusive,
            },
        )
    }

    proptest! {
        #[test]
        fn a_cursor_names_its_position_in_its_own_list_only(position in positions()) {
            let lists = [None, Some("type eq \"created\""), Some("type eq \"Created\"")].map(list);
            for own in &lists {
                let cursor = own.cursor(&position);
                for other in &lists {
                    let expected = if own == other { Ok(position.clone()) } else { Err(InvalidCursor::OtherList) };
                    prop_assert_eq!(other.position_at(&cursor), expected);
                }
            }
        }

        #[test]
        fn a_cursor_of_clients_is_none_of_changes_and_the_reverse(position in positions()) {
            for field in SortField::ALL {
                for direction in [Direction::Ascending, Direction::Descending] {
                    let clients = List { sort: Sort { field, direction }, filter: None };
                    let cursor = list(None).cursor(&position);
                    prop_assert_eq!(clients.position_at(&cursor), Err(InvalidCursor::OtherList));
                    let value = match field {
                        SortField::CreatedAt | SortField::UpdatedAt => SortValue::Time(position.key.time),
                        _ => SortValue::Text("12345678".to_owned()),
                    };
                    let key = ClientKey { value, client_id: position.key.client_id.clone() };
                    let cursor = clients.cursor(&Position::next_to(key));
                    prop_assert_eq!(list(None).position_at(&cursor), Err(InvalidCursor::OtherList));
                }
            }
        }

        #[test]
        fn a_damaged_cursor_is_rejected(
            position in positions(),
            at in any::<prop::sample::Index>(),
            with in "[A-Za-z0-9_-]",
        ) {
            let cursor = list(None).cursor(&position);
            let index = at.index(cursor.len());
            let mut damaged = cursor.clone();
            damaged.replace_range(index..=index, &with);
            prop_assume!(damaged != cursor);
            prop_assert_eq!(list(None).position_at(&damaged), Err(InvalidCursor::Damaged));
            prop_assert_eq!(list(None).position_at(&cursor[..index]), Err(InvalidCursor::Damaged));
        }
    }
}
