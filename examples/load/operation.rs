//! The operations that are measured, and their requests.

use std::sync::Arc;

use bytes::Bytes;
use clap::ValueEnum;
use http::{Method, uri::PathAndQuery};
use oauth_clients::pb::v1::{
    AuthenticateClientRequest, ClientAssertion, CreateOAuthClientRequest, GetOAuthClientRequest,
    ListOAuthClientsRequest, LookupClientRequest, PatchOAuthClientRequest, PatchOperation,
    authenticate_client_request::Credential,
};
use prost::Message;
use prost_types::{Value, value::Kind};
use serde_json::json;

use crate::{
    connection::{Call, Transport},
    run::Calls,
    signer::AUDIENCE,
    support::Outcome,
    world::{Seeded, World},
};

const CLIENTS: &str = "/oauth_clients.v1.OAuthClientService";
const AUTHENTICATION: &str = "/oauth_clients.v1.ClientAuthenticationService";
const REST: &str = "/api/core/oauth-clients";
/// The tag of `authenticated` in a response. That of a rejection differs.
const AUTHENTICATED: u8 = 0x0a;

/// An operation. Those that do not change the list of clients come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Operation {
    Get,
    LookUp,
    AuthenticateSecret,
    AuthenticateAssertion,
    List,
    RestGet,
    RestList,
    Patch,
    Create,
    RestCreate,
}

impl Operation {
    /// Returns the name in the table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::LookUp => "look up",
            Self::AuthenticateSecret => "authenticate, secret",
            Self::AuthenticateAssertion => "authenticate, assertion",
            Self::List => "list",
            Self::RestGet => "REST get",
            Self::RestList => "REST list",
            Self::Patch => "patch",
            Self::Create => "create",
            Self::RestCreate => "REST create",
        }
    }

    pub(crate) fn transport(self) -> Transport {
        match self {
            Self::RestGet | Self::RestList | Self::RestCreate => Transport::Rest,
            _ => Transport::Grpc,
        }
    }

    /// Returns the check that a response is the expected one, as a rejection is a response too.
    pub(crate) fn check(self) -> fn(&[u8]) -> bool {
        match self {
            Self::AuthenticateSecret | Self::AuthenticateAssertion => {
                |response| response.first() == Some(&AUTHENTICATED)
            }
            _ => |_| true,
        }
    }

    /// Returns the requests of one run, from number `first` on. At most `most` are needed if they are made in advance.
    pub(crate) fn calls(self, world: &Arc<World>, first: u64, most: usize) -> Outcome<Calls> {
        if self == Self::AuthenticateAssertion {
            return assertions(world, most);
        }
        let world = world.clone();
        Ok(Arc::new(move |number| self.call(&world, first + number)))
    }

    fn call(self, world: &World, number: u64) -> Option<Call> {
        let client = world.client(number)?;
        let client_id = client.id.clone();
        match self {
            Self::Get => grpc(CLIENTS, "GetOAuthClient", &GetOAuthClientRequest { client_id }),
            Self::LookUp => grpc(AUTHENTICATION, "LookupClient", &LookupClientRequest { client_id }),
            Self::AuthenticateSecret => authenticate(&client.id, secret(client)),
            Self::AuthenticateAssertion => None,
            Self::List => grpc(CLIENTS, "ListOAuthClients", &ListOAuthClientsRequest::default()),
            Self::Patch => rename_call(client_id, number),
            Self::Create => grpc(CLIENTS, "CreateOAuthClient", &new_client(number)),
            Self::RestGet => rest(Method::GET, &format!("{REST}/{client_id}"), Bytes::new()),
            Self::RestList => rest(Method::GET, REST, Bytes::new()),
            Self::RestCreate => rest(Method::POST, REST, new_client_json(number)),
        }
    }
}

/// Returns a request that gives a client another name.
pub(crate) fn rename_call(client_id: String, number: u64) -> Option<Call> {
    grpc(CLIENTS, "PatchOAuthClient", &rename(client_id, number))
}

/// Signs assertions before the run, as each is accepted once and signing one takes as long as a request. The run ends early
/// if they are used up.
fn assertions(world: &World, most: usize) -> Outcome<Calls> {
    let signed = world.signer.sign(&world.signing_client, most)?;
    Ok(Arc::new(move |number| {
        let jwt = signed.get(usize::try_from(number).ok()?)?.clone();
        let audiences = vec![AUDIENCE.to_owned()];
        authenticate(
            "",
            Credential::ClientAssertion(ClientAssertion { jwt, audiences }),
        )
    }))
}

fn secret(client: &Seeded) -> Credential {
    Credential::ClientSecret(client.secret.clone())
}

fn authenticate(client_id: &str, credential: Credential) -> Option<Call> {
    let request = AuthenticateClientRequest {
        client_id: client_id.to_owned(),
        credential: Some(credential),
    };
    grpc(AUTHENTICATION, "AuthenticateClient", &request)
}

/// Returns a patch with a new name, so that there is something to write.
fn rename(client_id: String, number: u64) -> PatchOAuthClientRequest {
    let name = format!("Renamed client {number:010}");
    PatchOAuthClientRequest {
        client_id,
        operations: vec![PatchOperation {
            op: "replace".to_owned(),
            path: "/clientName".to_owned(),
            value: Some(Value {
                kind: Some(Kind::StringValue(name)),
            }),
        }],
        ..PatchOAuthClientRequest::default()
    }
}

fn new_client(number: u64) -> CreateOAuthClientRequest {
    CreateOAuthClientRequest {
        app_type: "web".to_owned(),
        client_name: format!("Created client {number:010}"),
        redirect_uris: vec![format!("https://app-{number:010}.example.com/callback")],
        allowed_scopes: vec!["openid".to_owned(), "profile".to_owned()],
        ..CreateOAuthClientRequest::default()
    }
}

fn new_client_json(number: u64) -> Bytes {
    let client = new_client(number);
    let json = json!({
        "appType": client.app_type, "clientName": client.client_name,
        "redirectUris": client.redirect_uris, "allowedScopes": client.allowed_scopes,
    });
    json.to_string().into()
}

fn grpc(service: &str, method: &str, message: &impl Message) -> Option<Call> {
    Some(Call {
        method: Method::POST,
        path: PathAndQuery::try_from(format!("{service}/{method}")).ok()?,
        body: message.encode_to_vec().into(),
    })
}

fn rest(method: Method, path: &str, body: Bytes) -> Option<Call> {
    Some(Call {
        method,
        path: PathAndQuery::try_from(path).ok()?,
        body,
    })
}
