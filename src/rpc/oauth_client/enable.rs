//! `EnableOAuthClient`.

use tonic::Request;

use super::{OAuthClients, caller_and_message, now};
use crate::{
    domain::{client::ChangeError, ids::ClientId},
    pb::v1,
    rpc::failure::Failure,
};

pub(super) async fn enable(
    clients: &OAuthClients,
    request: Request<v1::EnableOAuthClientRequest>,
) -> Result<v1::OAuthClient, Failure> {
    let (context, message) = caller_and_message(request)?;
    let id = ClientId::parse(&message.client_id)?;
    let now = now();
    let enabled = clients.store.update_client(context.tenant(), &id, move |client| {
        client.enable(now);
        Ok::<_, ChangeError>(client.clone())
    });
    Ok(enabled.await?.into())
}
