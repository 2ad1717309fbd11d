//! A caller of a server, on both transports.

use std::{error::Error, iter, sync::Arc, time::Duration};

use oauth_clients::pb::v1::{
    AuthenticateClientRequest, CreateOAuthClientRequest, GetOAuthClientRequest, OAuthClient,
    PatchOAuthClientRequest, PatchOperation, authenticate_client_request::Credential,
    authenticate_client_response, client_authentication_service_client::ClientAuthenticationServiceClient,
    o_auth_client_service_client::OAuthClientServiceClient,
};
use prost_types::{Value, value::Kind};
use reqwest::StatusCode;
use serde::Deserialize;
use tokio::time::timeout;
use tonic::{
    Code, Request, Status, TimeoutExpired,
    metadata::{Ascii, MetadataValue},
    transport::{Channel, Endpoint},
};

use crate::{processes::Server, support::Outcome};

/// Longer than a server takes to respond to any request.
const PATIENCE: Duration = Duration::from_secs(15);

/// The code of a request that failed.
pub(crate) type Failed = &'static str;

/// The codes that do not come from the server.
pub(crate) mod code {
    use super::Failed;

    pub(crate) const UNAVAILABLE: Failed = "UNAVAILABLE";
    pub(crate) const DEADLINE_EXCEEDED: Failed = "DEADLINE_EXCEEDED";
    pub(crate) const NOT_FOUND: Failed = "NOT_FOUND";
    /// The connection was refused, or ended before the response.
    pub(crate) const NO_CONNECTION: Failed = "no connection";
    /// The caller gave up, after a time in which every response should come.
    pub(crate) const NO_RESPONSE: Failed = "no response";
    /// The deadline of the request passed, as the caller noticed first.
    pub(crate) const GAVE_UP: Failed = "gave up";
    /// The response is older than a change that was acknowledged before the request.
    pub(crate) const STALE: Failed = "stale";
    /// A right secret was rejected.
    pub(crate) const REJECTED: Failed = "rejected";
    pub(crate) const NOT_READY: Failed = "not ready";
}

/// A caller with connections of its own and the tokens of several subjects of one tenant, so that their quotas add up.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) clients: OAuthClientServiceClient<Channel>,
    pub(crate) authentication: ClientAuthenticationServiceClient<Channel>,
    http: reqwest::Client,
    rest: String,
    tokens: Arc<[MetadataValue<Ascii>]>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RestClient {
    client_name: String,
}

impl Caller {
    /// Creates a caller, which connects with its first request and again whenever the connection was lost.
    pub(crate) fn of(server: &Server, tenant: &str, subjects: usize) -> Outcome<Self> {
        let grpc = Endpoint::from_shared(format!("http://{}", server.grpc))?.connect_lazy();
        let tokens = (0..subjects).map(|number| {
            let token = server.authorization(tenant, &format!("subject-{number}"))?;
            Outcome::Ok(token.parse()?)
        });
        Ok(Self {
            clients: OAuthClientServiceClient::new(grpc.clone()),
            authentication: ClientAuthenticationServiceClient::new(grpc),
            http: reqwest::Client::builder().no_proxy().timeout(PATIENCE).build()?,
            rest: format!("http://{}/api/core/oauth-clients", server.rest),
            tokens: tokens.collect::<Outcome<_>>()?,
        })
    }

    /// Returns a request with the token of a subject.
    pub(crate) fn request<T>(&self, number: u64, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(token) = self.token(number) {
            request.metadata_mut().insert("authorization", token.clone());
        }
        request
    }

    fn token(&self, number: u64) -> Option<&MetadataValue<Ascii>> {
        let subject = usize::try_from(number).ok()? % self.tokens.len().max(1);
        self.tokens.get(subject)
    }

    /// Returns the name of a client.
    pub(crate) async fn get(&self, number: u64, client_id: &str) -> Result<String, Failed> {
        let client_id = client_id.to_owned();
        let request = self.request(number, GetOAuthClientRequest { client_id });
        let mut clients = self.clients.clone();
        let client = patiently(clients.get_o_auth_client(request)).await?;
        Ok(client.client_name)
    }

    /// Returns the name of a client, over REST.
    pub(crate) async fn rest_get(&self, number: u64, client_id: &str) -> Result<String, Failed> {
        let token = self.token(number).and_then(|token| token.to_str().ok());
        let response = self
            .http
            .get(format!("{}/{client_id}", self.rest))
            .header("authorization", token.unwrap_or_default())
            .send()
            .await
            .map_err(|error| http_failure(&error))?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::SERVICE_UNAVAILABLE => return Err(code::UNAVAILABLE),
            StatusCode::GATEWAY_TIMEOUT => return Err(code::DEADLINE_EXCEEDED),
            StatusCode::TOO_MANY_REQUESTS => return Err("RESOURCE_EXHAUSTED"),
            _ => return Err("another HTTP status"),
        }
        let client: RestClient = response.json().await.map_err(|error| http_failure(&error))?;
        Ok(client.client_name)
    }

    pub(crate) async fn authenticate(
        &self,
        number: u64,
        client_id: &str,
        secret: &str,
    ) -> Result<(), Failed> {
        let message = AuthenticateClientRequest {
            client_id: client_id.to_owned(),
            credential: Some(Credential::ClientSecret(secret.to_owned())),
        };
        let mut authentication = self.authentication.clone();
        let request = self.request(number, message);
        let response = patiently(authentication.authenticate_client(request)).await?;
        match response.result {
            Some(authenticate_client_response::Result::Authenticated(_)) => Ok(()),
            _ => Err(code::REJECTED),
        }
    }

    pub(crate) async fn create(&self, message: CreateOAuthClientRequest) -> Result<OAuthClient, Failed> {
        let mut clients = self.clients.clone();
        patiently(clients.create_o_auth_client(self.request(0, message))).await
    }

    /// Renames a client.
    pub(crate) async fn rename(&self, client_id: &str, name: String) -> Result<(), Failed> {
        let operation = PatchOperation {
            op: "replace".to_owned(),
            path: "/clientName".to_owned(),
            value: Some(Value {
                kind: Some(Kind::StringValue(name)),
            }),
        };
        let message = PatchOAuthClientRequest {
            etag: None,
            request_id: None,
            client_id: client_id.to_owned(),
            operations: vec![operation],
        };
        let mut clients = self.clients.clone();
        patiently(clients.patch_o_auth_client(self.request(0, message))).await?;
        Ok(())
    }
}

/// Returns a `web` client with a secret.
pub(crate) fn web_client(name: String) -> CreateOAuthClientRequest {
    CreateOAuthClientRequest {
        app_type: "web".to_owned(),
        client_name: name,
        redirect_uris: vec!["https://app.example.com/callback".to_owned()],
        ..CreateOAuthClientRequest::default()
    }
}

/// Waits for a response on gRPC.
pub(crate) async fn patiently<T>(
    response: impl Future<Output = Result<tonic::Response<T>, Status>>,
) -> Result<T, Failed> {
    match timeout(PATIENCE, response).await {
        Err(_elapsed) => Err(code::NO_RESPONSE),
        Ok(Err(status)) => Err(failure(&status)),
        Ok(Ok(response)) => Ok(response.into_inner()),
    }
}

fn failure(status: &Status) -> Failed {
    // A status that the server sent has no source.
    if let Some(source) = status.source() {
        let mut causes = iter::successors(Some(source), |cause| Error::source(*cause));
        let gave_up = causes.any(<dyn Error>::is::<TimeoutExpired>);
        return if gave_up {
            code::GAVE_UP
        } else {
            code::NO_CONNECTION
        };
    }
    match status.code() {
        Code::Unavailable => code::UNAVAILABLE,
        Code::DeadlineExceeded => code::DEADLINE_EXCEEDED,
        Code::Cancelled => "CANCELLED",
        Code::NotFound => code::NOT_FOUND,
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::Internal => "INTERNAL",
        Code::Aborted => "ABORTED",
        Code::Unauthenticated => "UNAUTHENTICATED",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        _ => "another code",
    }
}

fn http_failure(error: &reqwest::Error) -> Failed {
    if error.is_timeout() {
        code::NO_RESPONSE
    } else {
        code::NO_CONNECTION
    }
}
