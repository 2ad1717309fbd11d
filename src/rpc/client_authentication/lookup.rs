//! `LookupClient`.

use tonic::Request;

use super::{ClientAuthentication, caller_and_message, can_see};
use crate::{
    domain::ids::ClientId,
    pb::v1,
    rpc::{failure::Failure, stack::request_log::record_client},
    store::StoreError,
};

pub(super) async fn lookup(
    service: &ClientAuthentication,
    request: Request<v1::LookupClientRequest>,
) -> Result<v1::LookupClientResponse, Failure> {
    let (caller, message) = caller_and_message(request)?;
    let id = ClientId::parse(&message.client_id)?;
    record_client(&id);
    let record = service
        .store
        .find_client(&id)
        .await?
        .ok_or(StoreError::ClientNotFound)?;
    let tenant = record.tenant()?;
    if record.is_deleted() || record.is_disabled() || !can_see(&caller, &tenant) {
        return Err(StoreError::ClientNotFound.into());
    }
    Ok(v1::LookupClientResponse {
        tenant_id: tenant.as_str().to_owned(),
        client: Some(record.into_client()?.into()),
    })
}
