//! `DeleteClientSecret`.

use tonic::Request;

use super::{OAuthClients, caller_and_message, now};
use crate::{
    domain::{client::ChangeError, ids::ClientId, secret::Hint},
    pb::v1,
    rpc::failure::Failure,
};

pub(super) async fn delete_secret(
    clients: &OAuthClients,
    request: Request<v1::DeleteClientSecretRequest>,
) -> Result<(), Failure> {
    let (context, message) = caller_and_message(request)?;
    let id = ClientId::parse(&message.client_id)?;
    let hint = Hint::parse(&message.hint);
    let now = now();
    let deleted = clients.store.update_client(context.tenant(), &id, move |client| {
        // Only of a client that exists can it be said that it lacks a secret.
        let hint = hint.map_err(|_| ChangeError::SecretNotFound)?;
        client.delete_secret(&hint, now)
    });
    Ok(deleted.await?)
}
