//! `DeleteClientSecret`.

use tonic::Request;

use super::{OAuthClients, now, split};
use crate::{domain::ids::ClientId, pb::v1, rpc::status::Failure};

pub(super) async fn delete_secret(
    clients: &OAuthClients,
    request: Request<v1::DeleteClientSecretRequest>,
) -> Result<(), Failure> {
    let (context, message) = split(request)?;
    let id = ClientId::parse(&message.client_id)?;
    let now = now();
    let deleted = clients.store.update_client(context.tenant(), &id, move |client| {
        client.delete_secret(&message.hint, now)
    });
    Ok(deleted.await?)
}
