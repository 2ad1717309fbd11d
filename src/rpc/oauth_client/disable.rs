//! `DisableOAuthClient`.

use tonic::Request;

use super::{OAuthClients, caller_and_message, now};
use crate::{
    domain::{client::ChangeError, ids::ClientId},
    pb::v1,
    rpc::failure::Failure,
};

pub(super) async fn disable(
    clients: &OAuthClients,
    request: Request<v1::DisableOAuthClientRequest>,
) -> Result<v1::OAuthClient, Failure> {
    let (context, message) = caller_and_message(request)?;
    let id = ClientId::parse(&message.client_id)?;
    let now = now();
    let disabled = clients.store.update_client(context.tenant(), &id, move |client| {
        client.disable(&message.reason, now)?;
        Ok::<_, ChangeError>(client.clone())
    });
    Ok(disabled.await?.into())
}
