//! Authentication with a `client_secret` (RFC 6749 section 2.3.1).

use super::{ClientAuthentication, NotAuthenticated, sees, tell_client};
use crate::{
    auth::CallContext,
    domain::{ids::ClientId, metadata::AuthMethod, rejection::Rejection, secret::ClientSecret},
    pb::v1,
    store::ClientRecord,
};

/// Checks a secret with one read and one hash. Whether the client is unknown or the secret wrong, the same is done: what
/// else the rows say is not looked at before the secret was found right.
pub(super) async fn authenticate(
    service: &ClientAuthentication,
    context: &CallContext,
    client_id: &str,
    secret: &str,
) -> Result<v1::AuthenticatedClient, NotAuthenticated> {
    let (hint, secret) = ClientSecret::parse(secret).ok_or(Rejection::MalformedSecret)?;
    let id = ClientId::parse(client_id).map_err(|_| Rejection::UnknownClient)?;
    tell_client(&id);
    let record = service.store.find_client(&id).await?;
    let tenant = record.as_ref().map(ClientRecord::tenant).transpose()?;
    let hash = record.as_ref().and_then(|record| record.secret_hash(&hint));
    let owner = tenant.as_ref().unwrap_or(context.tenant());
    let matches = secret.matches(owner, &id, &hint, hash.as_ref());
    let (record, tenant) = record.zip(tenant).ok_or(Rejection::UnknownClient)?;
    if record.is_deleted() {
        return Err(Rejection::Deleted.into());
    }
    if !sees(context, &tenant) {
        return Err(Rejection::OtherTenant.into());
    }
    if !matches {
        return Err(Rejection::WrongSecret.into());
    }
    if record.is_disabled() {
        return Err(Rejection::Disabled.into());
    }
    let client = record.into_client()?;
    if !client.metadata.allows(AuthMethod::ClientSecret) {
        return Err(Rejection::MethodNotAllowed.into());
    }
    Ok(v1::AuthenticatedClient {
        tenant_id: tenant.as_str().to_owned(),
        client: Some(client.into()),
        auth_method: AuthMethod::ClientSecret.as_str().to_owned(),
        secret_hint: Some(hint.as_str().to_owned()),
        key_id: None,
    })
}
