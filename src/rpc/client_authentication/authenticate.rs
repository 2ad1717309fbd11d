//! `AuthenticateClient`.

use tonic::Request;

use super::{ClientAuthentication, NotAuthenticated, assertion, caller_and_message, secret};
use crate::{
    domain::{ids::ClientId, metadata::AuthMethod},
    metrics,
    pb::v1::{
        self, ErrorReason, authenticate_client_request::Credential,
        authenticate_client_response::Result as Answer,
    },
    rpc::{failure::Failure, stack::request_log},
};

pub(super) async fn authenticate(
    service: &ClientAuthentication,
    request: Request<v1::AuthenticateClientRequest>,
) -> Result<v1::AuthenticateClientResponse, Failure> {
    let (context, message) = caller_and_message(request)?;
    let id = &message.client_id;
    let required = |field| Failure::field(ErrorReason::InvalidField, field, "is required");
    let (method, outcome) = match &message.credential {
        None => return Err(required("credential")),
        Some(Credential::ClientSecret(_)) if id.is_empty() => return Err(required("clientId")),
        Some(Credential::ClientSecret(secret)) => (
            AuthMethod::ClientSecret,
            secret::authenticate(service, &context, id, secret).await,
        ),
        Some(Credential::ClientAssertion(assertion)) => (
            AuthMethod::PrivateKeyJwt,
            assertion::authenticate(service, &context, id, assertion).await,
        ),
    };
    let answer = match outcome {
        Ok(authenticated) => {
            metrics::client_authenticated(method, None);
            Answer::Authenticated(authenticated)
        }
        Err(NotAuthenticated::Rejected(rejection)) => {
            metrics::client_authenticated(method, Some(rejection));
            tracing::info!(
                method = method.as_str(),
                cause = rejection.as_str(),
                client_id = request_log::client_id().as_ref().map(ClientId::as_str),
                "a client was rejected"
            );
            Answer::Rejected(v1::Rejection {})
        }
        Err(NotAuthenticated::Failed(failure)) => return Err(failure),
    };
    Ok(v1::AuthenticateClientResponse { result: Some(answer) })
}
