//! `GetOAuthClient`.

use tonic::Request;

use super::{OAuthClients, caller_and_message};
use crate::{domain::ids::ClientId, pb::v1, rpc::failure::Failure};

pub(super) async fn get(
    clients: &OAuthClients,
    request: Request<v1::GetOAuthClientRequest>,
) -> Result<v1::OAuthClient, Failure> {
    let (caller, message) = caller_and_message(request)?;
    let id = ClientId::parse(&message.client_id)?;
    Ok(clients.store.get_client(caller.tenant(), &id).await?.into())
}
