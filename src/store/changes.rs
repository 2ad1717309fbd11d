//! The change records: one for each change of a client, written in its transaction, and found again on PostgreSQL by the
//! snapshots of two looks.

use sea_orm::{DbBackend, DbErr, EntityTrait as _, QueryResult, Set, Statement};
use thiserror::Error;

use super::{
    Store,
    cache::FenceChanged,
    connection::Connection,
    entity::change::{ActiveModel, Entity},
    error::StoreError,
    fence::FenceError,
    rows::to_json,
    session::{Prepared, Session},
};
use crate::domain::{
    change_type::ChangeType,
    change_update::ChangeUpdate,
    client::Client,
    ids::{ClientId, CorrelationId, Subject, TenantId},
};

/// The most changed clients that a look returns one by one.
const MAX_FOUND: u32 = 10_000;

/// Finds the clients with a record that the statement sees and the snapshot `$1` did not: those of transactions that began
/// later, or were open. A time or a sequence would miss a record whose transaction commits after a later one. `$1` is null
/// on the first look.
///
/// The upper limit leaves out records that a restored backup may have from the future of another server.
pub(super) const FIND_CHANGES: &str = "\
    WITH looked AS MATERIALIZED (\
        SELECT pg_current_snapshot() AS snapshot, CAST($1 AS pg_snapshot) AS last, pg_is_in_recovery() AS in_recovery\
    ) \
    SELECT looked.snapshot::text AS snapshot, in_recovery, \
        (SELECT system_identifier FROM pg_control_system())::text AS system, \
        (SELECT oid FROM pg_database WHERE datname = current_database())::text AS database, \
        CASE WHEN in_recovery THEN '' ELSE left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) END AS timeline, \
        (SELECT value FROM oauth_client_settings WHERE name = 'cache_fence_ms') AS fence, \
        (SELECT string_agg(client_id, ',') FROM (\
            SELECT client_id FROM oauth_client_changes \
            WHERE xid >= pg_snapshot_xmax(last) AND xid < pg_snapshot_xmax(snapshot) \
            UNION \
            SELECT client_id FROM pg_snapshot_xip(last) AS open (open_xid) \
            JOIN oauth_client_changes ON xid = open_xid \
            LIMIT $2\
        ) AS changed) AS clients \
    FROM looked";

/// A change of a client, as its record states it.
pub(super) struct Change<'a> {
    pub(super) tenant: &'a TenantId,
    /// The client after the change.
    pub(super) client: &'a Client,
    pub(super) kind: ChangeType,
    pub(super) author: &'a Author,
    pub(super) updates: Vec<ChangeUpdate>,
}

/// The subject that makes a change, and the request with which it does.
#[derive(Debug, Clone)]
pub struct Author {
    /// The subject.
    pub actor: Subject,
    /// The id of the request, if the change has one.
    pub correlation_id: Option<CorrelationId>,
}

impl From<Subject> for Author {
    fn from(actor: Subject) -> Self {
        Self {
            actor,
            correlation_id: None,
        }
    }
}

/// The state of the database in which a look found all changes until then.
#[derive(Debug, Clone)]
pub(super) struct Cursor {
    pub(super) snapshot: String,
    pub(super) server: ServerIdentity,
}

/// The identity of a database and of its history, which a failover, a restored backup or another server changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ServerIdentity {
    pub(super) system: String,
    pub(super) database: String,
    pub(super) timeline: String,
}

/// The outcome of looking for changes.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) cursor: Cursor,
    pub(super) found: Found,
}

/// The reason for which a look does not count.
#[derive(Debug, Error)]
pub(super) enum LookError {
    /// Changes are made on another server.
    #[error("the database server is a standby")]
    Standby,
    #[error(transparent)]
    Fence(#[from] FenceChanged),
    #[error(transparent)]
    Session(#[from] FenceError),
    #[error(transparent)]
    Database(#[from] StoreError),
}

impl From<DbErr> for LookError {
    fn from(error: DbErr) -> Self {
        Self::Database(error.into())
    }
}

/// The clients that changed.
#[derive(Debug)]
pub(super) enum Found {
    Clients(Vec<ClientId>),
    TooMany,
}

/// Writes the records of changes.
pub(super) async fn record(
    changes: impl IntoIterator<Item = Change<'_>>,
    transaction: &Connection,
) -> Result<(), DbErr> {
    let rows = changes.into_iter().map(row);
    let rows: Vec<ActiveModel> = rows.collect::<Result<_, _>>()?;
    Entity::insert_many(rows)
        .exec_without_returning(transaction)
        .await?;
    Ok(())
}

fn row(change: Change<'_>) -> Result<ActiveModel, DbErr> {
    let Change {
        tenant,
        client,
        kind,
        author,
        updates,
    } = change;
    let updates = (!updates.is_empty()).then(|| to_json(&updates)).transpose()?;
    Ok(ActiveModel {
        tenant_id: Set(tenant.as_str().to_owned()),
        client_id: Set(client.id.as_str().to_owned()),
        revision: Set(client.revision.number()),
        change_type: Set(kind.as_str().to_owned()),
        time: Set(client.updated_at.as_micros()),
        actor: Set(author.actor.as_str().to_owned()),
        correlation_id: Set(author.correlation_id.as_ref().map(|id| id.as_str().to_owned())),
        updates: Set(updates),
    })
}

impl Store {
    /// Finds the clients that changed since a look.
    ///
    /// # Errors
    /// If the look cannot count: the server is a standby or cannot be reached, or the fence is not the one that this server
    /// waits out.
    pub(super) async fn changes_since(
        &self,
        session: &mut Session,
        last: Option<&Cursor>,
    ) -> Result<Look, LookError> {
        let values = [
            last.map(|cursor| cursor.snapshot.as_str()).into(),
            i64::from(MAX_FOUND + 1).into(),
        ];
        let query = Statement::from_sql_and_values(DbBackend::Postgres, FIND_CHANGES, values);
        let row = session.query_one(query, Prepared::Kept).await?;
        let row = row.ok_or_else(|| DbErr::RecordNotFound("a row that is always there".to_owned()))?;
        if row.try_get("", "in_recovery")? {
            return Err(LookError::Standby);
        }
        self.fence.check(&row.try_get::<String>("", "fence")?)?;
        Ok(Look {
            found: Found::read(&row)?,
            cursor: Cursor {
                snapshot: row.try_get("", "snapshot")?,
                server: ServerIdentity {
                    system: row.try_get("", "system")?,
                    database: row.try_get("", "database")?,
                    timeline: row.try_get("", "timeline")?,
                },
            },
        })
    }
}

impl Cursor {
    /// Returns `true` if another cursor is of the same server and history, so that the difference is what changed.
    pub(super) fn is_of_the_same_server(&self, other: &Self) -> bool {
        self.server == other.server
    }
}

impl Found {
    fn read(row: &QueryResult) -> Result<Self, DbErr> {
        let clients: Option<String> = row.try_get("", "clients")?;
        let ids: Option<Vec<ClientId>> = clients
            .iter()
            .flat_map(|clients| clients.split(','))
            .map(|id| ClientId::parse(id).ok())
            .collect();
        Ok(match ids {
            Some(ids) if ids.len() <= MAX_FOUND as usize => Self::Clients(ids),
            _ => Self::TooMany,
        })
    }
}
