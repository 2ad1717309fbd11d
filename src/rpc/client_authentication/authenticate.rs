//! `AuthenticateClient`.

use tonic::Request;

use super::{AuthenticationError, ClientAuthentication, assertion, caller_and_message, secret};
use crate::{
    domain::{auth_method::AuthMethod, ids::ClientId, violation::Rule},
    pb::v1::{
        self, ErrorReason, authenticate_client_request::Credential,
        authenticate_client_response::Result as Outcome,
    },
    rpc::{failure::Failure, stack::request_log},
    telemetry::metrics,
};

pub(super) async fn authenticate(
    service: &ClientAuthentication,
    request: Request<v1::AuthenticateClientRequest>,
) -> Result<v1::AuthenticateClientResponse, Failure> {
    let (caller, message) = caller_and_message(request)?;
    let id = &message.client_id;
    let required = |field| Failure::field(ErrorReason::InvalidField, field, Rule::Required.to_string());
    let (method, outcome) = match &message.credential {
        None => return Err(required("credential")),
        Some(Credential::ClientSecret(_)) if id.is_empty() => return Err(required("clientId")),
        Some(Credential::ClientSecret(secret)) => (
            AuthMethod::ClientSecret,
            secret::authenticate(service, &caller, id, secret).await,
        ),
        Some(Credential::ClientAssertion(assertion)) => (
            AuthMethod::PrivateKeyJwt,
            assertion::authenticate(service, &caller, id, assertion).await,
        ),
    };
    let result = match outcome {
        Ok(authenticated) => {
            metrics::client_authenticated(method, None);
            Outcome::Authenticated(authenticated)
        }
        Err(AuthenticationError::Rejected(rejection)) => {
            metrics::client_authenticated(method, Some(rejection));
            tracing::info!(
                method = method.as_str(),
                cause = rejection.as_str(),
                client_id = request_log::client_id().as_ref().map(ClientId::as_str),
                "client rejected"
            );
            Outcome::Rejected(v1::Rejection {})
        }
        Err(AuthenticationError::Failed(failure)) => return Err(failure),
    };
    Ok(v1::AuthenticateClientResponse { result: Some(result) })
}
