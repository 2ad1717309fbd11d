//! `EnableOAuthClient`.

use tonic::{Request, Response};

use super::OAuthClients;
use crate::{domain::change_type::ChangeType, pb::v1, rpc::failure::Failure};

pub(super) async fn enable(
    clients: &OAuthClients,
    request: Request<v1::EnableOAuthClientRequest>,
) -> Result<Response<v1::OAuthClient>, Failure> {
    clients
        .change(request, ChangeType::Enabled, |client, _, context| {
            client.enable(context.now);
            Ok(client.clone().into())
        })
        .await
}
