//! Authentication with a `client_secret` (RFC 6749 section 2.3.1).

use std::sync::Arc;

use super::{Authenticated, AuthenticationError, ClientAuthentication, can_see};
use crate::{
    auth::Caller,
    domain::{
        auth_method::AuthMethod,
        ids::ClientId,
        rejection::Rejection,
        secret::{ClientSecret, Hint},
    },
    rpc::stack::request_log::record_client,
    store::{Owner, StoredClient},
};

/// Checks a secret that memory proves right, or else with one query and one hash, whether the client is unknown or the
/// secret is wrong. The other columns are not read before the secret has turned out to be right, so that the time does not
/// tell the cases apart.
pub(super) async fn authenticate(
    service: &ClientAuthentication,
    caller: &Caller,
    client_id: &str,
    secret: &str,
) -> Result<Authenticated, AuthenticationError> {
    let (hint, secret) = ClientSecret::parse(secret).ok_or(Rejection::MalformedSecret)?;
    let id = ClientId::parse(client_id).map_err(|_| Rejection::UnknownClient)?;
    record_client(&id);
    if let Some(found) = service.remembered(caller, &id).await
        && let Some(stored) = found.client.secrets.iter().find(|stored| stored.hint == hint)
        && secret.matches(&found.tenant, &id, &hint, Some(&stored.hash))
        && found.client.metadata.allows(AuthMethod::ClientSecret)
    {
        return Ok(authenticated(found, &hint));
    }
    let found = service.store.find_credential(&id, &hint).await?;
    let owner = found.owner.as_ref();
    let tenant = owner.map_or(caller.tenant(), |owner| &owner.tenant).clone();
    let matches = secret.matches(&tenant, &id, &hint, found.hash.as_ref());
    check(caller, owner, matches)?;
    let found = found.into_client()?;
    if !found.client.metadata.allows(AuthMethod::ClientSecret) {
        return Err(Rejection::MethodNotAllowed.into());
    }
    Ok(authenticated(found, &hint))
}

fn authenticated(found: Arc<StoredClient>, hint: &Hint) -> Authenticated {
    Authenticated {
        found,
        secret_hint: Some(hint.as_str().to_owned()),
        key_id: None,
    }
}

fn check(caller: &Caller, owner: Option<&Owner>, matches: bool) -> Result<(), Rejection> {
    match owner {
        None => Err(Rejection::UnknownClient),
        Some(owner) if owner.is_deleted => Err(Rejection::Deleted),
        Some(owner) if !can_see(caller, &owner.tenant) => Err(Rejection::OtherTenant),
        Some(_) if !matches => Err(Rejection::WrongSecret),
        Some(owner) if owner.is_disabled => Err(Rejection::Disabled),
        Some(_) => Ok(()),
    }
}
