//! The messages of a stream.

use crate::{
    domain::resume_token::{Point, Stream},
    pb::v1::{self, watch_o_auth_clients_response::Event},
    rpc::failure::Failure,
    store::{Corrupt, StoreError, StoredClient, WatchedChange},
};

pub(super) fn change(
    stream: &Stream,
    change: &WatchedChange,
) -> Result<v1::WatchOAuthClientsResponse, Failure> {
    let corrupt = |error: &Corrupt| Failure::from(StoreError::Corrupt(error.clone()));
    let record = change.record().map_err(corrupt)?;
    let client = change.client().map_err(corrupt)?;
    Ok(v1::WatchOAuthClientsResponse {
        resume_token: stream.token(&Point::Changes(change.position.clone())),
        tenant_id: Some(change.tenant().to_owned()),
        event: Some(Event::Change(v1::WatchChange {
            change: Some(record.into()),
            client: client.map(|client| client.client.clone().into()),
        })),
    })
}

pub(super) fn initial(
    stream: &Stream,
    point: &Point,
    client: &StoredClient,
) -> v1::WatchOAuthClientsResponse {
    v1::WatchOAuthClientsResponse {
        resume_token: stream.token(point),
        tenant_id: Some(client.tenant.as_str().to_owned()),
        event: Some(Event::Initial(client.client.clone().into())),
    }
}

pub(super) fn initial_end(stream: &Stream, point: &Point) -> v1::WatchOAuthClientsResponse {
    without_tenant(stream, point, Event::InitialEnd(v1::InitialEnd {}))
}

pub(super) fn bookmark(stream: &Stream, point: &Point) -> v1::WatchOAuthClientsResponse {
    without_tenant(stream, point, Event::Bookmark(v1::Bookmark {}))
}

fn without_tenant(stream: &Stream, point: &Point, event: Event) -> v1::WatchOAuthClientsResponse {
    v1::WatchOAuthClientsResponse {
        resume_token: stream.token(point),
        tenant_id: None,
        event: Some(event),
    }
}
