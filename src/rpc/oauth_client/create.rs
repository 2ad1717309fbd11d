//! `CreateOAuthClient`.

use tonic::{Request, Response};

use super::{
    OAuthClients, caller_and_message,
    change::change_context,
    retry::{Changed, RequestIds, Retryable},
    size,
};
use crate::{
    domain::{client::Client, metadata::ClientDraft},
    pb::v1,
    rpc::{environment::new_client_id, failure::Failure, request::called_method},
    store::Author,
};

impl Retryable for v1::CreateOAuthClientRequest {
    fn take_request_id(&mut self) -> Option<String> {
        self.request_id.take()
    }
}

pub(super) async fn create(
    clients: &OAuthClients,
    mut request: Request<v1::CreateOAuthClientRequest>,
) -> Result<Response<v1::OAuthClient>, Failure> {
    let ids = RequestIds::take(&mut request)?;
    let method = called_method(&request)?;
    let (caller, message) = caller_and_message(request)?;
    let once = ids.once(&caller, method, &message)?;
    let context = change_context(&caller)?;
    let (client, secret) = Client::register(new_client_id(), ClientDraft::from(message), &context)?;
    size::check(&client)?;
    let author = Author {
        actor: caller.subject().clone(),
        correlation_id: ids.correlation_id,
    };
    let etag = client.etag();
    let message = v1::OAuthClient {
        client_secret: Some(secret.map(|new| new.secret.reveal()).unwrap_or_default()),
        ..client.clone().into()
    };
    let response = Changed::new(message, &etag);
    let store = &clients.store;
    let created = store.insert_client_once(caller.tenant(), &client, &author, once, response);
    Ok(created.await?.respond())
}
