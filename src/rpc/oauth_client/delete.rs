//! `DeleteOAuthClient`.

use tonic::Request;

use super::{OAuthClients, caller_and_message, now};
use crate::{
    domain::{client::ChangeError, ids::ClientId},
    pb::v1::{self, ErrorReason},
    rpc::failure::Failure,
};

/// The metadata key that confirms when the message does not, for proxies that forward headers as metadata.
const CONFIRM_HEADER: &str = "qlik-confirm-delete";

pub(super) async fn delete(
    clients: &OAuthClients,
    request: Request<v1::DeleteOAuthClientRequest>,
) -> Result<(), Failure> {
    let header = request
        .metadata()
        .get(CONFIRM_HEADER)
        .and_then(|value| value.to_str().ok());
    let header = header.map(str::to_owned).unwrap_or_default();
    let (context, message) = caller_and_message(request)?;
    let said = if message.confirm_delete.is_empty() {
        header
    } else {
        message.confirm_delete
    };
    if said.is_empty() || said != message.client_id {
        return Err(Failure::new(
            ErrorReason::DeleteNotConfirmed,
            format!("{CONFIRM_HEADER} must be the id of the client"),
        ));
    }
    let id = ClientId::parse(&message.client_id)?;
    let now = now();
    let deleted = clients.store.update_client(context.tenant(), &id, move |client| {
        client.delete(now);
        Ok::<(), ChangeError>(())
    });
    Ok(deleted.await?)
}
