//! `AuthenticateClient`.

use tonic::{Request, Response};

use super::{
    Authenticated, AuthenticationError, ClientAuthentication, assertion, caller_and_message, secret,
};
use crate::{
    domain::{auth_method::AuthMethod, ids::ClientId, violation::Rule},
    pb::v1::{
        self, ErrorReason, authenticate_client_request::Credential,
        authenticate_client_response::Result as Outcome,
    },
    rpc::{
        encoded::{self, AuthenticatedClient, Authentication},
        failure::Failure,
        stack::request_log,
    },
    telemetry::metrics,
};

pub(super) async fn authenticate(
    service: &ClientAuthentication,
    request: Request<v1::AuthenticateClientRequest>,
) -> Result<Response<v1::AuthenticateClientResponse>, Failure> {
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
    match outcome {
        Ok(authenticated) => {
            metrics::client_authenticated(method, None);
            Ok(response(authenticated, method))
        }
        Err(AuthenticationError::Rejected(rejection)) => {
            metrics::client_authenticated(method, Some(rejection));
            tracing::info!(
                method = method.as_str(),
                cause = rejection.as_str(),
                client_id = request_log::client_id().as_ref().map(ClientId::as_str),
                "client rejected"
            );
            let result = Some(Outcome::Rejected(v1::Rejection {}));
            Ok(Response::new(v1::AuthenticateClientResponse { result }))
        }
        Err(AuthenticationError::Failed(failure)) => Err(failure),
    }
}

fn response(authenticated: Authenticated, method: AuthMethod) -> Response<v1::AuthenticateClientResponse> {
    let Authenticated {
        found,
        secret_hint,
        key_id,
    } = authenticated;
    encoded::message(&Authentication {
        authenticated: Some(AuthenticatedClient {
            tenant_id: found.tenant.as_str().to_owned(),
            client: encoded::client_field(&found),
            auth_method: method.as_str().to_owned(),
            secret_hint,
            key_id,
        }),
    })
}
