//! Authentication with a `private_key_jwt` (RFC 7523, OpenID Connect Core section 9).

use std::sync::Arc;

use super::{Authenticated, AuthenticationError, ClientAuthentication, can_see};
use crate::{
    auth::Caller,
    domain::{
        assertion::{AssertionRules, ClientAssertion},
        auth_method::AuthMethod,
        rejection::Rejection,
    },
    pb::v1::{self, ErrorReason},
    rpc::{environment::now, failure::Failure, stack::request_log::record_client},
    store::{AssertionUse, StoredClient},
};

/// Checks an assertion in the order of cost: its claims, its client, its signature, and that it was not used before.
pub(super) async fn authenticate(
    service: &ClientAuthentication,
    caller: &Caller,
    client_id: &str,
    credential: &v1::ClientAssertion,
) -> Result<Authenticated, AuthenticationError> {
    if credential.audiences.is_empty() {
        let detail = "must have at least one name of the authorization server";
        return Err(Failure::field(ErrorReason::InvalidField, "clientAssertion.audiences", detail).into());
    }
    if let Some(blank) = credential
        .audiences
        .iter()
        .position(|name| name.trim().is_empty())
    {
        let field = format!("clientAssertion.audiences[{blank}]");
        return Err(Failure::field(ErrorReason::InvalidField, field, "must not be blank").into());
    }
    let assertion = ClientAssertion::parse(&credential.jwt)?;
    record_client(assertion.client_id());
    if !client_id.is_empty() && client_id != assertion.client_id().as_str() {
        return Err(Rejection::Issuer.into());
    }
    let rules = AssertionRules {
        audiences: &credential.audiences,
        max_lifetime: service.max_assertion_lifetime,
    };
    let used = assertion.check_claims(rules, now())?;
    let (found, key) = find_and_verify(service, caller, &assertion).await?;
    let StoredClient { tenant, client, .. } = &*found;
    match service.store.use_assertion(tenant, &client.id, &used).await? {
        AssertionUse::First => {}
        AssertionUse::Replay => return Err(Rejection::Replayed.into()),
        AssertionUse::TooOld => return Err(Rejection::Expired.into()),
    }
    Ok(Authenticated {
        found,
        secret_hint: None,
        key_id: Some(key),
    })
}

/// Returns the client that the assertion names, and the identifier of the key that verifies it: from memory if it proves
/// the assertion right, or else from the database.
async fn find_and_verify(
    service: &ClientAuthentication,
    caller: &Caller,
    assertion: &ClientAssertion,
) -> Result<(Arc<StoredClient>, String), AuthenticationError> {
    if let Some(found) = service.remembered(caller, assertion.client_id()).await
        && found.client.metadata.allows(AuthMethod::PrivateKeyJwt)
        && let Ok(key) = found.verify(assertion)
    {
        let key = key.kid.clone();
        return Ok((found, key));
    }
    let found = find(service, caller, assertion).await?;
    let key = found.verify(assertion)?.kid.clone();
    Ok((found, key))
}

/// Returns the client that the assertion names, if it may authenticate with assertions.
async fn find(
    service: &ClientAuthentication,
    caller: &Caller,
    assertion: &ClientAssertion,
) -> Result<Arc<StoredClient>, AuthenticationError> {
    let found = service.store.find_client(assertion.client_id()).await?;
    let found = found.ok_or(Rejection::UnknownClient)?;
    if found.is_deleted() {
        return Err(Rejection::Deleted.into());
    }
    if !can_see(caller, &found.tenant) {
        return Err(Rejection::OtherTenant.into());
    }
    if found.is_disabled() {
        return Err(Rejection::Disabled.into());
    }
    if !found.client.metadata.allows(AuthMethod::PrivateKeyJwt) {
        return Err(Rejection::MethodNotAllowed.into());
    }
    Ok(found)
}
