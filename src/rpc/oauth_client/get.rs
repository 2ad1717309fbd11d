//! `GetOAuthClient`.

use tonic::{Request, Response};

use super::{OAuthClients, caller_and_message};
use crate::{
    domain::ids::ClientId,
    pb::v1,
    rpc::{encoded, failure::Failure},
};

pub(super) async fn get(
    clients: &OAuthClients,
    request: Request<v1::GetOAuthClientRequest>,
) -> Result<Response<v1::OAuthClient>, Failure> {
    let (caller, message) = caller_and_message(request)?;
    let id = ClientId::parse(&message.client_id)?;
    let store = &clients.store;
    let remembered = store.remembered(&id).await;
    let found = match remembered.filter(|found| found.tenant == *caller.tenant()) {
        Some(found) => found,
        None => store.get_client(caller.tenant(), &id).await?,
    };
    Ok(encoded::client(&found))
}
