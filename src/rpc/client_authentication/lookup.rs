//! `LookupClient`.

use std::sync::Arc;

use tonic::{Request, Response};

use super::{ClientAuthentication, caller_and_message, can_see};
use crate::{
    auth::Caller,
    domain::ids::ClientId,
    pb::v1,
    rpc::{
        encoded::{self, FoundClient},
        failure::Failure,
        stack::request_log::record_client,
    },
    store::{StoreError, StoredClient},
};

pub(super) async fn lookup(
    service: &ClientAuthentication,
    request: Request<v1::LookupClientRequest>,
) -> Result<Response<v1::LookupClientResponse>, Failure> {
    let (caller, message) = caller_and_message(request)?;
    let id = ClientId::parse(&message.client_id)?;
    record_client(&id);
    let found = match service.remembered(&caller, &id).await {
        Some(found) => found,
        None => find(service, &caller, &id).await?,
    };
    Ok(encoded::message(&FoundClient {
        tenant_id: found.tenant.as_str().to_owned(),
        client: encoded::client_field(&found),
    }))
}

/// Returns a client from the database, if the caller can see it.
async fn find(
    service: &ClientAuthentication,
    caller: &Caller,
    id: &ClientId,
) -> Result<Arc<StoredClient>, StoreError> {
    let found = service.store.find_client(id).await?;
    found
        .filter(|found| !found.is_deleted() && !found.is_disabled() && can_see(caller, &found.tenant))
        .ok_or(StoreError::ClientNotFound)
}
