//! `CreateOAuthClient`.

use tonic::Request;

use super::{OAuthClients, caller_and_message, change::change_context, size};
use crate::{
    domain::{client::Client, metadata::ClientDraft},
    pb::v1,
    rpc::{environment::new_client_id, failure::Failure},
};

pub(super) async fn create(
    clients: &OAuthClients,
    request: Request<v1::CreateOAuthClientRequest>,
) -> Result<v1::OAuthClient, Failure> {
    let (caller, message) = caller_and_message(request)?;
    let context = change_context(&caller)?;
    let (client, secret) = Client::register(new_client_id(), ClientDraft::from(message), &context)?;
    size::check(&client)?;
    clients
        .store
        .insert_client(caller.tenant(), &client, caller.subject())
        .await?;
    Ok(v1::OAuthClient {
        client_secret: Some(secret.map(|new| new.secret.reveal()).unwrap_or_default()),
        ..client.into()
    })
}
