//! `ListOAuthClients`.

use tonic::{Request, Response};

use super::{
    OAuthClients, caller_and_message,
    pages::{MAX_PAGE_BYTES, Parameters, collection_url, total_results},
};
use crate::{
    domain::{filter::Filter, page::List, sort::Sort},
    pb::v1,
    rpc::{encoded, failure::Failure, request::called_method},
};

pub(super) async fn list(
    clients: &OAuthClients,
    request: Request<v1::ListOAuthClientsRequest>,
) -> Result<Response<v1::ListOAuthClientsResponse>, Failure> {
    let url = collection_url(clients, called_method(&request)?)?;
    let (caller, message) = caller_and_message(request)?;
    let parameters = Parameters {
        filter: message.filter.as_deref(),
        limit: message.limit,
        next: message.next.as_deref(),
        prev: message.prev.as_deref(),
        sort: message.sort.as_deref(),
        total_results: message.total_results,
    };
    let request = parameters.page_of(List {
        sort: parameters.sort.map_or(Ok(Sort::DEFAULT), Sort::parse)?,
        filter: parameters.filter.map(Filter::parse).transpose()?,
    })?;
    let mut page = clients.store.list_clients(caller.tenant(), &request).await?;
    page.end_at(
        MAX_PAGE_BYTES,
        &request,
        |client| encoded::size_in_page(client),
        |client| request.list.key(&client.client),
    );
    let rest = v1::ListOAuthClientsResponse {
        data: Vec::new(),
        links: Some(parameters.links(&url, &request.list, &page)),
        total_results: total_results(page.total),
    };
    Ok(encoded::page(&page.items, rest))
}
