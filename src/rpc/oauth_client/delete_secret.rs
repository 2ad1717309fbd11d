//! `DeleteClientSecret`.

use tonic::{Request, Response};

use super::OAuthClients;
use crate::{domain::change_type::ChangeType, pb::v1, rpc::failure::Failure};

pub(super) async fn delete_secret(
    clients: &OAuthClients,
    request: Request<v1::DeleteClientSecretRequest>,
) -> Result<Response<()>, Failure> {
    clients
        .change(request, ChangeType::SecretDeleted, |client, message, context| {
            client.delete_secret(&message.hint, context.now)
        })
        .await
}
