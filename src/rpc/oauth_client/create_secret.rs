//! `CreateClientSecret`.

use tonic::Request;

use super::{OAuthClients, caller_and_message, change};
use crate::{
    domain::ids::ClientId,
    pb::v1,
    rpc::{convert, failure::Failure},
};

pub(super) async fn create_secret(
    clients: &OAuthClients,
    request: Request<v1::CreateClientSecretRequest>,
) -> Result<v1::ClientSecret, Failure> {
    let (context, message) = caller_and_message(request)?;
    let id = ClientId::parse(&message.client_id)?;
    let change = change(&context)?;
    let new = clients
        .store
        .update_client(context.tenant(), &id, move |client| client.create_secret(&change))
        .await?;
    Ok(convert::client_secret(&id, context.subject().as_str(), new))
}
