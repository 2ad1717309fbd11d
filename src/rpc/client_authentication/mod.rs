//! `ClientAuthenticationService`, with one file for each method and for each kind of credential.

mod assertion;
mod authenticate;
mod lookup;
mod secret;

use std::{sync::Arc, time::Duration};

use tonic::{Request, Response, Status};

use super::{failure::Failure, request::caller_and_message};
use crate::{
    auth::Caller,
    domain::{
        ids::{ClientId, TenantId},
        rejection::Rejection,
    },
    pb::v1::{self, client_authentication_service_server::ClientAuthenticationService},
    store::{Store, StoreError, StoredClient},
};

/// The handlers of `ClientAuthenticationService`.
#[derive(Debug, Clone)]
pub struct ClientAuthentication {
    store: Store,
    max_assertion_lifetime: Duration,
}

impl ClientAuthentication {
    /// Creates handlers for the clients of a store, whose assertions expire within a maximum time.
    pub fn new(store: Store, max_assertion_lifetime: Duration) -> Self {
        Self {
            store,
            max_assertion_lifetime,
        }
    }
}

#[tonic::async_trait]
impl ClientAuthenticationService for ClientAuthentication {
    async fn lookup_client(
        &self,
        request: Request<v1::LookupClientRequest>,
    ) -> Result<Response<v1::LookupClientResponse>, Status> {
        Ok(lookup::lookup(self, request).await?)
    }

    async fn authenticate_client(
        &self,
        request: Request<v1::AuthenticateClientRequest>,
    ) -> Result<Response<v1::AuthenticateClientResponse>, Status> {
        Ok(authenticate::authenticate(self, request).await?)
    }
}

impl ClientAuthentication {
    /// Returns a client from memory that the caller can see and that is not disabled. Everything else is for the database
    /// to tell, so that it takes as long for every client.
    async fn remembered(&self, caller: &Caller, id: &ClientId) -> Option<Arc<StoredClient>> {
        let found = self.store.remembered(id).await?;
        (!found.is_disabled() && can_see(caller, &found.tenant)).then_some(found)
    }
}

/// The reason for which a client is not authenticated.
#[derive(Debug)]
enum AuthenticationError {
    /// The credential is wrong, or the client may not use it.
    Rejected(Rejection),
    /// The credential could not be checked.
    Failed(Failure),
}

impl From<Rejection> for AuthenticationError {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl From<Failure> for AuthenticationError {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<StoreError> for AuthenticationError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

/// A client that is authenticated, and with what.
#[derive(Debug)]
struct Authenticated {
    found: Arc<StoredClient>,
    secret_hint: Option<String>,
    key_id: Option<String>,
}

/// Returns `true` if a caller can see the clients of a tenant: its own tenant, or any if its token is for every tenant.
fn can_see(caller: &Caller, tenant: &TenantId) -> bool {
    caller.is_of_every_tenant() || caller.tenant() == tenant
}
