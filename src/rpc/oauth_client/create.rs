//! `CreateOAuthClient`.

use tonic::{Request, Response};

use super::{OAuthClients, caller_and_message, change::change_context, size};
use crate::{
    domain::{client::Client, metadata::ClientDraft},
    pb::v1,
    rpc::{environment::new_client_id, etag, failure::Failure, request::correlation_id},
    store::Author,
};

pub(super) async fn create(
    clients: &OAuthClients,
    request: Request<v1::CreateOAuthClientRequest>,
) -> Result<Response<v1::OAuthClient>, Failure> {
    let correlation_id = correlation_id(&request);
    let (caller, message) = caller_and_message(request)?;
    let context = change_context(&caller)?;
    let (client, secret) = Client::register(new_client_id(), ClientDraft::from(message), &context)?;
    size::check(&client)?;
    let author = Author {
        actor: caller.subject().clone(),
        correlation_id,
    };
    clients
        .store
        .insert_client(caller.tenant(), &client, &author)
        .await?;
    let etag = client.etag();
    let message = v1::OAuthClient {
        client_secret: Some(secret.map(|new| new.secret.reveal()).unwrap_or_default()),
        ..client.into()
    };
    Ok(etag::respond(message, &etag))
}
