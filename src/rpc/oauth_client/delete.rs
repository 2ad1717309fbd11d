//! `DeleteOAuthClient`.

use tonic::Request;

use super::{OAuthClients, called_method, now, split};
use crate::{
    domain::{client::ChangeError, ids::ClientId},
    pb::{
        Method,
        v1::{self, ErrorReason},
    },
    rpc::status::Failure,
};

pub(super) async fn delete(
    clients: &OAuthClients,
    request: Request<v1::DeleteOAuthClientRequest>,
) -> Result<(), Failure> {
    let method = called_method(&request)?;
    let (context, message) = split(request)?;
    if message.confirm_delete.is_empty() || message.confirm_delete != message.client_id {
        return Err(not_confirmed(method));
    }
    let id = ClientId::parse(&message.client_id)?;
    let now = now();
    let deleted = clients.store.update_client(context.tenant(), &id, move |client| {
        client.delete(now);
        Ok::<(), ChangeError>(())
    });
    Ok(deleted.await?)
}

fn not_confirmed(method: &Method) -> Failure {
    let name = method.input_name("confirm_delete");
    Failure::new(
        ErrorReason::DeleteNotConfirmed,
        format!("{name} must be the id of the client"),
    )
}
