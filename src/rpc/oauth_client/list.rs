//! `ListOAuthClients`.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use thiserror::Error;
use tonic::{Request, Response};

use super::{OAuthClients, caller_and_message};
use crate::{
    domain::page::{PageRequest, Position},
    pb::{Method, v1},
    rpc::{convert::page_request, encoded, failure::Failure, request::called_method},
    store::Page,
};

/// The characters of a query that are percent-encoded: all but `unreserved` (RFC 3986 section 2.3).
const QUERY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The greatest size of the clients of a page. Callers accept messages of 4 MiB by default.
const MAX_PAGE_BYTES: usize = 2 * 1024 * 1024;

#[derive(Debug, Error)]
#[error("the method has no REST path without variables to link to")]
struct NoRestPath;

pub(super) async fn list(
    clients: &OAuthClients,
    request: Request<v1::ListOAuthClientsRequest>,
) -> Result<Response<v1::ListOAuthClientsResponse>, Failure> {
    let collection_url = collection_url(clients, called_method(&request)?)?;
    let (caller, message) = caller_and_message(request)?;
    let page_request = page_request(&message)?;
    let mut page = clients.store.list_clients(caller.tenant(), &page_request).await?;
    page.end_at(MAX_PAGE_BYTES, &page_request, encoded::size_in_page);
    let rest = v1::ListOAuthClientsResponse {
        data: Vec::new(),
        links: Some(links(&collection_url, &message, &page_request, &page)),
        // The field is 32 bits wide: a greater total becomes the greatest number.
        total_results: page.total.map(|total| i32::try_from(total).unwrap_or(i32::MAX)),
    };
    Ok(encoded::page(&page.clients, rest))
}

/// Returns the URL of the first page with the default parameters.
fn collection_url(clients: &OAuthClients, method: &Method) -> Result<String, Failure> {
    let path = method.rest_path().ok_or_else(|| Failure::internal(NoRestPath))?;
    Ok(format!("{}{path}", clients.public_url))
}

fn links(url: &str, message: &v1::ListOAuthClientsRequest, request: &PageRequest, page: &Page) -> v1::Links {
    let link = |parameter, cursor: &str| v1::Link {
        href: href(url, message, Some((parameter, cursor))),
        cursor: Some(cursor.to_owned()),
    };
    let own = match (&message.next, &message.prev) {
        (Some(next), _) => link("next", next),
        (None, Some(prev)) => link("prev", prev),
        (None, None) => v1::Link {
            href: href(url, message, None),
            cursor: None,
        },
    };
    let cursor =
        |position: &Option<Position>| position.as_ref().map(|position| request.list.cursor(position));
    v1::Links {
        self_: Some(own),
        next: cursor(&page.next).map(|cursor| link("next", &cursor)),
        prev: cursor(&page.prev).map(|cursor| link("prev", &cursor)),
    }
}

/// Returns the URL of a page of the same list: the query of the request with another cursor.
fn href(url: &str, message: &v1::ListOAuthClientsRequest, cursor: Option<(&str, &str)>) -> String {
    let limit = message.limit.map(|limit| limit.to_string());
    let total = message.total_results.then(|| "true".to_owned());
    let parameters = [
        ("filter", message.filter.clone()),
        ("limit", limit),
        ("sort", message.sort.clone()),
        ("totalResults", total),
    ];
    let query: Vec<String> = parameters
        .iter()
        .filter_map(|(name, value)| Some((*name, value.as_deref()?)))
        .chain(cursor)
        .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, QUERY)))
        .collect();
    if query.is_empty() {
        url.to_owned()
    } else {
        format!("{url}?{}", query.join("&"))
    }
}
