//! `DeleteOAuthClient`.

use tonic::{Request, Response};

use super::OAuthClients;
use crate::{
    domain::change_type::ChangeType,
    pb::{
        Method,
        v1::{self, ErrorReason},
    },
    rpc::{failure::Failure, request::called_method},
};

pub(super) async fn delete(
    clients: &OAuthClients,
    request: Request<v1::DeleteOAuthClientRequest>,
) -> Result<Response<()>, Failure> {
    let method = called_method(&request)?;
    let message = request.get_ref();
    if message.confirm_delete.is_empty() || message.confirm_delete != message.client_id {
        return Err(not_confirmed(method));
    }
    clients
        .change(request, ChangeType::Deleted, |client, _, context| {
            client.delete(context.now);
            Ok(())
        })
        .await
}

fn not_confirmed(method: &Method) -> Failure {
    let name = method.input_name("confirm_delete");
    Failure::new(
        ErrorReason::DeleteNotConfirmed,
        format!("{name} must be the id of the client"),
    )
}
