//! `CreateOAuthClient`.

use tonic::Request;
use uuid::Uuid;

use super::{OAuthClients, caller_and_message, change};
use crate::{
    domain::{client::Client, ids::ClientId, metadata::ClientDraft},
    pb::v1,
    rpc::failure::Failure,
};

pub(super) async fn create(
    clients: &OAuthClients,
    request: Request<v1::CreateOAuthClientRequest>,
) -> Result<v1::OAuthClient, Failure> {
    let (context, message) = caller_and_message(request)?;
    let id = ClientId::from_uuid(Uuid::now_v7());
    let (client, secret) = Client::register(id, ClientDraft::from(message), &change(&context)?)?;
    clients.store.insert_client(context.tenant(), &client).await?;
    Ok(v1::OAuthClient {
        client_secret: Some(secret.map(|new| new.secret.reveal()).unwrap_or_default()),
        ..client.into()
    })
}
