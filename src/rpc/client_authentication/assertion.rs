//! Authentication with a `private_key_jwt` (RFC 7523, OpenID Connect Core section 9).

use super::{ClientAuthentication, NotAuthenticated, sees};
use crate::{
    auth::Caller,
    domain::{
        assertion::ClientAssertion, client::Client, ids::TenantId, metadata::AuthMethod, rejection::Rejection,
    },
    pb::v1::{self, ErrorReason},
    rpc::{failure::Failure, request::now, stack::request_log::record_client},
    store::AssertionUse,
};

/// Checks an assertion: what it says, then who it says it is, then the signature, and last that it was never used.
pub(super) async fn authenticate(
    service: &ClientAuthentication,
    context: &Caller,
    client_id: &str,
    credential: &v1::ClientAssertion,
) -> Result<v1::AuthenticatedClient, NotAuthenticated> {
    if credential.audiences.is_empty() {
        let detail = "needs at least one name of the authorization server";
        return Err(Failure::field(ErrorReason::InvalidField, "clientAssertion.audiences", detail).into());
    }
    let assertion = ClientAssertion::parse(&credential.jwt)?;
    record_client(assertion.client_id());
    if !client_id.is_empty() && client_id != assertion.client_id().as_str() {
        return Err(Rejection::Issuer.into());
    }
    let used = assertion.check_claims(&credential.audiences, now())?;
    let (tenant, client) = find(service, context, &assertion).await?;
    let key = assertion.verify(&client.metadata.public_keys)?.kid.clone();
    match service.store.use_assertion(&tenant, &client.id, &used).await? {
        AssertionUse::First => {}
        AssertionUse::Replay => return Err(Rejection::Replayed.into()),
        AssertionUse::TooOld => return Err(Rejection::Expired.into()),
    }
    Ok(v1::AuthenticatedClient {
        tenant_id: tenant.as_str().to_owned(),
        client: Some(client.into()),
        auth_method: AuthMethod::PrivateKeyJwt.as_str().to_owned(),
        secret_hint: None,
        key_id: Some(key),
    })
}

/// The client that the assertion names, if it may authenticate with one.
async fn find(
    service: &ClientAuthentication,
    context: &Caller,
    assertion: &ClientAssertion,
) -> Result<(TenantId, Client), NotAuthenticated> {
    let record = service.store.find_client(assertion.client_id()).await?;
    let record = record.ok_or(Rejection::UnknownClient)?;
    let tenant = record.tenant()?;
    if record.is_deleted() {
        return Err(Rejection::Deleted.into());
    }
    if !sees(context, &tenant) {
        return Err(Rejection::OtherTenant.into());
    }
    if record.is_disabled() {
        return Err(Rejection::Disabled.into());
    }
    let client = record.into_client()?;
    if !client.metadata.allows(AuthMethod::PrivateKeyJwt) {
        return Err(Rejection::MethodNotAllowed.into());
    }
    Ok((tenant, client))
}
