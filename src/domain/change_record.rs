//! Change records as they are read again.

use super::{
    change_update::ChangeUpdate,
    ids::{ClientId, TenantId},
    revision::Revision,
    timestamp::Timestamp,
};

/// The record of a change of a client.
#[derive(Debug, Clone, PartialEq)]
pub struct ChangeRecord {
    /// The tenant that owns the client.
    pub tenant: TenantId,
    /// The client.
    pub client_id: ClientId,
    /// The state of the client after the change.
    pub revision: Revision,
    /// The type of the change. It is a text, as servers of a later version may write others.
    pub kind: String,
    /// The time of the change.
    pub time: Timestamp,
    /// The subject that made it.
    pub actor: String,
    /// The id of the request that made it, if the record has one.
    pub correlation_id: Option<String>,
    /// The members that differ, sorted by path.
    pub updates: Vec<ChangeUpdate>,
}
