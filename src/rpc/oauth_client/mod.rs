//! `OAuthClientService`, with one file for each method.

mod change;
mod create;
mod create_secret;
mod delete;
mod delete_secret;
mod disable;
mod enable;
mod get;
mod list;
mod list_changes;
mod pages;
mod patch;
mod retry;
mod size;
mod watch;

use tonic::{Request, Response, Status};

pub use self::watch::WatchRules;
use self::watch::{Messages, Watch};
use crate::{
    pb::v1::{self, o_auth_client_service_server::OAuthClientService},
    rpc::request::caller_and_message,
    store::Store,
};

/// The handlers of `OAuthClientService`.
#[derive(Debug, Clone)]
pub struct OAuthClients {
    store: Store,
    /// The URL of the REST transport, for the links of a page.
    public_url: String,
    watch: Watch,
}

impl OAuthClients {
    /// Creates the handlers for the clients of a store, with links that start with `public_url`.
    pub fn new(store: Store, public_url: &str, watch: WatchRules) -> Self {
        Self {
            store,
            public_url: public_url.trim_end_matches('/').to_owned(),
            watch: Watch::new(watch),
        }
    }
}

#[tonic::async_trait]
impl OAuthClientService for OAuthClients {
    async fn list_o_auth_clients(
        &self,
        request: Request<v1::ListOAuthClientsRequest>,
    ) -> Result<Response<v1::ListOAuthClientsResponse>, Status> {
        Ok(list::list(self, request).await?)
    }

    async fn create_o_auth_client(
        &self,
        request: Request<v1::CreateOAuthClientRequest>,
    ) -> Result<Response<v1::OAuthClient>, Status> {
        Ok(create::create(self, request).await?)
    }

    async fn get_o_auth_client(
        &self,
        request: Request<v1::GetOAuthClientRequest>,
    ) -> Result<Response<v1::OAuthClient>, Status> {
        Ok(get::get(self, request).await?)
    }

    async fn patch_o_auth_client(
        &self,
        request: Request<v1::PatchOAuthClientRequest>,
    ) -> Result<Response<v1::PatchOAuthClientResponse>, Status> {
        Ok(patch::patch(self, request).await?)
    }

    async fn delete_o_auth_client(
        &self,
        request: Request<v1::DeleteOAuthClientRequest>,
    ) -> Result<Response<()>, Status> {
        Ok(delete::delete(self, request).await?)
    }

    async fn create_client_secret(
        &self,
        request: Request<v1::CreateClientSecretRequest>,
    ) -> Result<Response<v1::ClientSecret>, Status> {
        Ok(create_secret::create_secret(self, request).await?)
    }

    async fn delete_client_secret(
        &self,
        request: Request<v1::DeleteClientSecretRequest>,
    ) -> Result<Response<()>, Status> {
        Ok(delete_secret::delete_secret(self, request).await?)
    }

    async fn disable_o_auth_client(
        &self,
        request: Request<v1::DisableOAuthClientRequest>,
    ) -> Result<Response<v1::OAuthClient>, Status> {
        Ok(disable::disable(self, request).await?)
    }

    async fn enable_o_auth_client(
        &self,
        request: Request<v1::EnableOAuthClientRequest>,
    ) -> Result<Response<v1::OAuthClient>, Status> {
        Ok(enable::enable(self, request).await?)
    }

    async fn list_o_auth_client_changes(
        &self,
        request: Request<v1::ListOAuthClientChangesRequest>,
    ) -> Result<Response<v1::ListOAuthClientChangesResponse>, Status> {
        Ok(list_changes::list_changes(self, request).await?)
    }

    type WatchOAuthClientsStream = Messages;

    async fn watch_o_auth_clients(
        &self,
        request: Request<v1::WatchOAuthClientsRequest>,
    ) -> Result<Response<Messages>, Status> {
        Ok(watch::watch(self, request).await?)
    }
}
