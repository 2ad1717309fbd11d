//! `DisableOAuthClient`.

use tonic::{Request, Response};

use super::OAuthClients;
use crate::{domain::change_type::ChangeType, pb::v1, rpc::failure::Failure};

pub(super) async fn disable(
    clients: &OAuthClients,
    request: Request<v1::DisableOAuthClientRequest>,
) -> Result<Response<v1::OAuthClient>, Failure> {
    clients
        .change(request, ChangeType::Disabled, |client, message, context| {
            client.disable(&message.reason, context.now)?;
            Ok(client.clone().into())
        })
        .await
}
