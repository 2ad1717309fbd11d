//! `PatchOAuthClient`.

use tonic::Request;

use super::{OAuthClients, caller_and_message, change};
use crate::{
    domain::{ids::ClientId, patch::Patch},
    pb::v1,
    rpc::failure::Failure,
};

pub(super) async fn patch(
    clients: &OAuthClients,
    request: Request<v1::PatchOAuthClientRequest>,
) -> Result<v1::PatchOAuthClientResponse, Failure> {
    let (context, message) = caller_and_message(request)?;
    let id = ClientId::parse(&message.client_id)?;
    let patch = Patch::from(message.operations);
    let change = change(&context)?;
    let secret = clients
        .store
        .update_client(context.tenant(), &id, move |client| client.patch(&patch, &change))
        .await?;
    Ok(v1::PatchOAuthClientResponse {
        client_secret: secret.map(|new| new.secret.reveal()),
    })
}
