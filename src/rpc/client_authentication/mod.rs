//! `ClientAuthenticationService`: one file an RPC, and one a kind of credentials.

mod assertion;
mod authenticate;
mod lookup;
mod secret;

use tonic::{Request, Response, Status};

use super::{failure::Failure, request::caller_and_message};
use crate::{
    auth::Caller,
    domain::{ids::TenantId, rejection::Rejection},
    pb::v1::{self, client_authentication_service_server::ClientAuthenticationService},
    store::{Store, StoreError},
};

/// The handlers of `ClientAuthenticationService`.
#[derive(Debug, Clone)]
pub struct ClientAuthentication {
    store: Store,
}

impl ClientAuthentication {
    /// Handlers for the clients of a store.
    pub fn new(store: Store) -> Self {
        Self { store }
    }
}

#[tonic::async_trait]
impl ClientAuthenticationService for ClientAuthentication {
    async fn lookup_client(
        &self,
        request: Request<v1::LookupClientRequest>,
    ) -> Result<Response<v1::LookupClientResponse>, Status> {
        Ok(lookup::lookup(self, request).await.map(Response::new)?)
    }

    async fn authenticate_client(
        &self,
        request: Request<v1::AuthenticateClientRequest>,
    ) -> Result<Response<v1::AuthenticateClientResponse>, Status> {
        Ok(authenticate::authenticate(self, request)
            .await
            .map(Response::new)?)
    }
}

/// Why a client is not authenticated: its credentials do not hold, or they could not be checked.
#[derive(Debug)]
enum NotAuthenticated {
    Rejected(Rejection),
    Failed(Failure),
}

impl From<Rejection> for NotAuthenticated {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl From<Failure> for NotAuthenticated {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<StoreError> for NotAuthenticated {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

/// Whether a caller sees the clients of a tenant: his own, or all if he is a platform service.
fn sees(context: &Caller, tenant: &TenantId) -> bool {
    context.is_of_every_tenant() || context.tenant() == tenant
}
