//! `ListOAuthClientChanges`.

use prost::Message as _;
use tonic::{Request, Response};

use super::{
    OAuthClients, caller_and_message,
    pages::{MAX_PAGE_BYTES, Parameters, collection_url, total_results},
};
use crate::{
    domain::{
        change_list::{ChangeKey, ChangeList, ChangeRecord},
        filter::Filter,
    },
    pb::v1,
    rpc::{failure::Failure, request::called_method},
};

pub(super) async fn list_changes(
    clients: &OAuthClients,
    request: Request<v1::ListOAuthClientChangesRequest>,
) -> Result<Response<v1::ListOAuthClientChangesResponse>, Failure> {
    let url = collection_url(clients, called_method(&request)?)?;
    let (caller, message) = caller_and_message(request)?;
    let parameters = Parameters {
        filter: message.filter.as_deref(),
        limit: message.limit,
        next: message.next.as_deref(),
        prev: message.prev.as_deref(),
        sort: None,
        total_results: message.total_results,
    };
    let request = parameters.page_of(ChangeList {
        filter: parameters.filter.map(Filter::parse).transpose()?,
    })?;
    let page = clients.store.list_changes(caller.tenant(), &request).await?;
    let mut page =
        page.map(|record: ChangeRecord| (record.key.clone(), v1::OAuthClientChange::from(&record)));
    page.end_at(
        MAX_PAGE_BYTES,
        &request,
        |(_, message)| size_in_page(message),
        key,
    );
    Ok(Response::new(v1::ListOAuthClientChangesResponse {
        links: Some(parameters.links(&url, &request.list, &page)),
        total_results: total_results(page.total),
        data: page.items.into_iter().map(|(_, message)| message).collect(),
    }))
}

fn key((key, _): &(ChangeKey, v1::OAuthClientChange)) -> ChangeKey {
    key.clone()
}

/// Returns the bytes that a record takes in a page: a tag, a length, and its message.
fn size_in_page(record: &v1::OAuthClientChange) -> usize {
    let len = record.encoded_len();
    1 + prost::length_delimiter_len(len) + len
}
