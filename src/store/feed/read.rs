//! Reading changes from the database in order.

use std::{fmt::Write as _, sync::Arc};

use sea_orm::{DbBackend, DbErr, QueryResult, Statement, Value};

use super::change::{Content, WatchedChange};
use crate::{
    domain::{
        change_list::{ChangeKey, ChangeRecord},
        change_position::{Place, Position, Reading, Seen},
        ids::{ClientId, TenantId},
        resume_token::{Incarnation, TokenKey},
        revision::Revision,
        timestamp::Timestamp,
    },
    store::{
        Store, detached,
        error::{Corrupt, StoreError},
        session::Prepared,
    },
};

/// The most changes that a slice goes through.
const SLICE: usize = 500;
/// The bytes of the updates in a slice. It ends with the record that reaches them.
const SLICE_BYTES: i64 = 2 * 1024 * 1024;

/// The changes that are visible at a time.
#[derive(Debug, Clone)]
pub struct Head {
    /// The changes, and the time.
    pub seen: Arc<Seen>,
    /// The incarnation of the database.
    pub incarnation: Incarnation,
    /// The key of the database for resume tokens.
    pub key: TokenKey,
}

/// The clients that are watched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WatchScope {
    /// Their tenant; `None` for every tenant.
    pub tenant: Option<TenantId>,
    /// The clients; `None` for all.
    pub clients: Option<Arc<[ClientId]>>,
}

impl WatchScope {
    /// Returns `true` if changes of a client are watched.
    pub(super) fn has(&self, tenant: &str, client: &ClientId) -> bool {
        self.tenant.as_ref().is_none_or(|own| own.as_str() == tenant)
            && self.clients.as_ref().is_none_or(|own| own.contains(client))
    }
}

/// Some of the changes after a position.
#[derive(Debug)]
pub(super) struct Slice {
    /// Those that are watched.
    pub(super) changes: Vec<WatchedChange>,
    /// The position after all.
    pub(super) position: Position,
}

impl Store {
    /// Finds the changes that are visible now.
    pub(super) async fn head_of_changes(&self) -> Result<Head, StoreError> {
        let store = self.clone();
        detached(|_| async move {
            let connection = store.reader().await?;
            let query = Statement::from_string(store.dialect.backend, store.dialect.head_of_changes);
            let row = connection.query_all(query, Prepared::Kept).await?.pop();
            Ok(head(&row.ok_or_else(|| invalid("a row that is always there"))?)?)
        })
        .await
    }

    /// Reads the next changes after a position, of those that were visible at a time.
    pub(super) async fn slice_of_changes(
        &self,
        position: &Position,
        head: &Arc<Seen>,
        scope: &WatchScope,
    ) -> Result<Slice, StoreError> {
        let (past, until) = (&position.past, position.reading.as_ref());
        let (until, place) = until.map_or((head, None), |reading| (&reading.until, Some(&reading.place)));
        let backend = self.dialect.backend;
        let mut values = match backend {
            DbBackend::Sqlite => sqlite_bounds(past, until, place),
            _ => postgres_bounds(past, until, place),
        };
        values.push(i64::try_from(SLICE).unwrap_or(i64::MAX).into());
        values.push(scope.tenant.as_ref().map(TenantId::as_str).into());
        values.push(scope.clients.as_deref().map(json_of).into());
        values.push(SLICE_BYTES.into());
        let query = Statement::from_sql_and_values(backend, self.dialect.slice_of_changes.as_str(), values);
        let store = self.clone();
        let rows = detached(|_| async move {
            let connection = store.reader().await?;
            Ok::<_, StoreError>(connection.query_all(query, Prepared::Kept).await?)
        })
        .await?;
        let mut slice = Slice {
            changes: Vec::new(),
            position: Position::after(until.clone()),
        };
        let mut last = None;
        for row in &rows {
            let place = place_of(row)?;
            let position = Position {
                past: past.clone(),
                reading: Some(Reading {
                    until: until.clone(),
                    place: place.clone(),
                }),
            };
            if row.try_get("", "is_watched")? {
                let content = record(row, &place)?;
                slice.changes.push(WatchedChange::new(position, content));
            }
            last = Some(place);
        }
        // If the slice is as long as it may be, or was cut off, more may follow.
        let length: i64 = rows.first().map_or(Ok(0), |row| row.try_get("", "length"))?;
        let is_whole = usize::try_from(length).is_ok_and(|length| length == rows.len() && length < SLICE);
        if let (false, Some(place)) = (is_whole, last) {
            slice.position = Position {
                past: past.clone(),
                reading: Some(Reading {
                    until: until.clone(),
                    place,
                }),
            };
        }
        Ok(slice)
    }
}

fn invalid(what: &str) -> DbErr {
    DbErr::Custom(what.to_owned())
}

fn head(row: &QueryResult) -> Result<Head, DbErr> {
    let number = |text: &str| {
        text.parse()
            .map_err(|_| invalid("the number of a transaction is none"))
    };
    let open: Option<String> = row.try_get("", "open")?;
    let open = open.iter().flat_map(|open| open.split(','));
    let incarnation: String = row.try_get("", "incarnation")?;
    let system: String = row.try_get("", "system")?;
    let database: String = row.try_get("", "database")?;
    Ok(Head {
        seen: Arc::new(Seen {
            time: Timestamp::from_micros(row.try_get("", "time")?),
            newest: number(&row.try_get::<String>("", "newest")?)?,
            open: open.map(number).collect::<Result<_, _>>()?,
        }),
        incarnation: Incarnation::of(&[&incarnation, &system, &database]),
        key: TokenKey::new(&row.try_get::<String>("", "resume_token_key")?),
    })
}

fn sqlite_bounds(past: &Seen, until: &Seen, place: Option<&Place>) -> Vec<Value> {
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let after = place.map_or(0, |place| place.transaction).max(past.newest);
    vec![number(after).into(), number(until.newest).into()]
}

fn postgres_bounds(past: &Seen, until: &Seen, place: Option<&Place>) -> Vec<Value> {
    let (transaction, client_id, revision) = place.map_or((0, "", 0), |place| {
        (place.transaction, place.client_id.as_str(), place.revision)
    });
    vec![
        past.newest.to_string().into(),
        array_of(&past.open).into(),
        until.newest.to_string().into(),
        array_of(&until.open).into(),
        transaction.to_string().into(),
        client_id.into(),
        revision.into(),
    ]
}

/// Returns numbers in the form of an array of PostgreSQL.
fn array_of(numbers: &[u64]) -> String {
    let mut text = "{".to_owned();
    for (index, number) in numbers.iter().enumerate() {
        let separator = if index == 0 { "" } else { "," };
        // Writing to a text never fails.
        let _written = write!(text, "{separator}{number}");
    }
    text + "}"
}

/// Returns identifiers, which need no escapes, as a JSON array.
fn json_of(ids: &[ClientId]) -> String {
    let ids: Vec<String> = ids.iter().map(|id| format!("\"{id}\"")).collect();
    format!("[{}]", ids.join(","))
}

fn place_of(row: &QueryResult) -> Result<Place, StoreError> {
    let client_id: String = row.try_get("", "client_id")?;
    let number: String = row.try_get("", "number")?;
    Ok(Place {
        transaction: number.parse().map_err(|_| invalid("a change has no number"))?,
        revision: row.try_get("", "revision")?,
        client_id: ClientId::parse(&client_id).map_err(|_| corrupt("client_id", &client_id))?,
    })
}

fn corrupt(column: &'static str, client_id: &str) -> Corrupt {
    Corrupt {
        table: "oauth_client_changes",
        column,
        client_id: client_id.to_owned(),
    }
}

fn record(row: &QueryResult, place: &Place) -> Result<Content, StoreError> {
    let corrupt = |column| corrupt(column, place.client_id.as_str());
    let tenant: String = row.try_get("", "tenant_id")?;
    let updates: Option<String> = row.try_get("", "updates")?;
    let size = updates.as_ref().map_or(0, String::len);
    let Ok(updates) = updates.map_or(Ok(Vec::new()), |updates| serde_json::from_str(&updates)) else {
        return Ok(Content::corrupt(tenant, corrupt("updates")));
    };
    let Ok(tenant) = TenantId::parse(&tenant) else {
        return Ok(Content::corrupt(tenant, corrupt("tenant_id")));
    };
    let record = ChangeRecord {
        key: ChangeKey {
            time: Timestamp::from_micros(row.try_get("", "time")?),
            client_id: place.client_id.clone(),
            revision: Revision::from_number(place.revision),
        },
        change_type: row.try_get("", "type")?,
        actor: row.try_get("", "actor")?,
        correlation_id: row.try_get("", "correlation_id")?,
        updates,
    };
    Ok(Content::record(&tenant, record, size))
}
