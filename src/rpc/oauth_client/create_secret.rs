//! `CreateClientSecret`.

use tonic::{Request, Response};

use super::OAuthClients;
use crate::{
    domain::change_type::ChangeType,
    pb::v1,
    rpc::{convert, failure::Failure},
};

pub(super) async fn create_secret(
    clients: &OAuthClients,
    request: Request<v1::CreateClientSecretRequest>,
) -> Result<Response<v1::ClientSecret>, Failure> {
    clients
        .change(request, ChangeType::SecretCreated, |client, _, context| {
            let new = client.create_secret(context)?;
            Ok(convert::client_secret(&client.id, new))
        })
        .await
}
