//! `DeleteOAuthClient`.

use tonic::Request;

use super::OAuthClients;
use crate::{
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
    let message = request.get_ref();
    let said = if message.confirm_delete.is_empty() {
        &header
    } else {
        &message.confirm_delete
    };
    if said.is_empty() || *said != message.client_id {
        return Err(Failure::new(
            ErrorReason::DeleteNotConfirmed,
            format!("{CONFIRM_HEADER} must be the id of the client"),
        ));
    }
    clients
        .change(request, |client, _, context| {
            client.delete(context.now);
            Ok(())
        })
        .await
}
