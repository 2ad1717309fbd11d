//! `WatchOAuthClients`.

mod admission;
mod ends;
mod events;
mod messages;
mod request;

use std::{pin::Pin, time::Duration};

use futures_util::{Stream, stream};
use tonic::{Request, Response, Status};

use self::{admission::Admission, ends::Ends, events::Events, request::WatchRequest};
use super::OAuthClients;
use crate::{
    pb::v1,
    rpc::{failure::Failure, request::caller_and_message},
    store::WatchError,
};

/// The messages of a stream.
pub(super) type Messages =
    Pin<Box<dyn Stream<Item = Result<v1::WatchOAuthClientsResponse, Status>> + Send + 'static>>;

/// The rules of streams of changes.
#[derive(Debug, Clone, Copy)]
pub struct WatchRules {
    /// The most streams of a subject on this server.
    pub streams: u32,
    /// The time for which change records are kept.
    pub change_retention: Duration,
}

/// The streams of changes of a server.
#[derive(Debug, Clone)]
pub(super) struct Watch {
    admission: Admission,
    change_retention: Duration,
}

impl Watch {
    pub(super) fn new(rules: WatchRules) -> Self {
        Self {
            admission: Admission::new(rules.streams),
            change_retention: rules.change_retention,
        }
    }
}

pub(super) async fn watch(
    clients: &OAuthClients,
    request: Request<v1::WatchOAuthClientsRequest>,
) -> Result<Response<Messages>, Failure> {
    let (caller, message) = caller_and_message(request)?;
    let request = WatchRequest::parse(&caller, message)?;
    let admitted = clients.watch.admission.admit(&caller)?;
    let watching = clients.store.watch_changes(request.scope()).await?;
    let ends = Ends::of(&caller);
    let events = Events::begin(&request, watching, ends, clients.watch.change_retention, admitted)?;
    let messages = stream::unfold(events, async |mut events| {
        let message = events.next().await?;
        Some((message, events))
    });
    Ok(Response::new(Box::pin(messages)))
}

impl From<WatchError> for Failure {
    fn from(error: WatchError) -> Self {
        match error {
            WatchError::Closed => ends::stopped(),
            WatchError::Store(error) => error.into(),
        }
    }
}
