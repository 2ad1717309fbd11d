//! `PatchOAuthClient`.

use tonic::{Request, Response};

use super::{OAuthClients, size};
use crate::{
    domain::{change_type::ChangeType, patch::Patch},
    pb::v1,
    rpc::failure::Failure,
};

pub(super) async fn patch(
    clients: &OAuthClients,
    request: Request<v1::PatchOAuthClientRequest>,
) -> Result<Response<v1::PatchOAuthClientResponse>, Failure> {
    clients
        .change(request, ChangeType::Updated, |client, message, context| {
            let secret = client.patch(&Patch::from(message.operations), context)?;
            size::check(client)?;
            Ok(v1::PatchOAuthClientResponse {
                client_secret: secret.map(|new| new.secret.reveal()),
            })
        })
        .await
}
