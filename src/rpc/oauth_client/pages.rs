//! Requests for pages of a list, and the links of a page, for each method that lists.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use thiserror::Error;

use super::OAuthClients;
use crate::{
    domain::{
        cursor::{Cursors, InvalidCursor},
        page::{Limit, PageRequest, Position, Start},
    },
    pb::{Method, v1},
    rpc::failure::Failure,
    store::Page,
};

/// The greatest size of the items of a page. Callers accept messages of 4 MiB by default.
pub(super) const MAX_PAGE_BYTES: usize = 2 * 1024 * 1024;

/// The characters of a query that are percent-encoded: all but `unreserved` (RFC 3986 section 2.3).
const QUERY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

#[derive(Debug, Error)]
#[error("the method has no REST path without variables to link to")]
struct NoRestPath;

/// The parameters of a request for a page, as the caller sent them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parameters<'a> {
    pub(super) filter: Option<&'a str>,
    pub(super) limit: Option<i32>,
    pub(super) next: Option<&'a str>,
    pub(super) prev: Option<&'a str>,
    /// `None` too for a list whose order cannot be chosen.
    pub(super) sort: Option<&'a str>,
    pub(super) total_results: bool,
}

impl Parameters<'_> {
    /// Returns the request for a page of a list.
    ///
    /// # Errors
    /// If its limit or cursor is malformed.
    pub(super) fn page_of<L: Cursors>(&self, list: L) -> Result<PageRequest<L>, Failure> {
        let limit = self
            .limit
            .map_or(Ok(Limit::DEFAULT), |limit| Limit::parse(limit.into()))?;
        let position = |field, cursor| {
            list.position_at(cursor)
                .map_err(|error| Failure::cursor(field, error))
        };
        let start = match (self.next, self.prev) {
            (None, None) => Start::First,
            (Some(next), None) => Start::After(position("next", next)?),
            (None, Some(prev)) => Start::Before(position("prev", prev)?),
            (Some(_), Some(_)) => return Err(Failure::cursor("prev", InvalidCursor::BothDirections)),
        };
        Ok(PageRequest {
            list,
            limit,
            start,
            count: self.total_results,
        })
    }

    /// Returns the links of a page, to the URL of the collection.
    pub(super) fn links<T, L: Cursors>(&self, url: &str, list: &L, page: &Page<T, L::Key>) -> v1::Links {
        let link = |parameter, cursor: &str| v1::Link {
            href: self.href(url, Some((parameter, cursor))),
            cursor: Some(cursor.to_owned()),
        };
        let own = match (self.next, self.prev) {
            (Some(next), _) => link("next", next),
            (None, Some(prev)) => link("prev", prev),
            (None, None) => v1::Link {
                href: self.href(url, None),
                cursor: None,
            },
        };
        let cursor = |position: &Option<Position<L::Key>>| position.as_ref().map(|place| list.cursor(place));
        v1::Links {
            self_: Some(own),
            next: cursor(&page.next).map(|cursor| link("next", &cursor)),
            prev: cursor(&page.prev).map(|cursor| link("prev", &cursor)),
        }
    }

    /// Returns the URL of a page of the same list: the query of the request with another cursor.
    fn href(&self, url: &str, cursor: Option<(&str, &str)>) -> String {
        let limit = self.limit.map(|limit| limit.to_string());
        let parameters = [
            ("filter", self.filter),
            ("limit", limit.as_deref()),
            ("sort", self.sort),
            ("totalResults", self.total_results.then_some("true")),
        ];
        let query: Vec<String> = parameters
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .chain(cursor)
            .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, QUERY)))
            .collect();
        if query.is_empty() {
            url.to_owned()
        } else {
            format!("{url}?{}", query.join("&"))
        }
    }
}

/// Returns the URL of the first page with the default parameters.
pub(super) fn collection_url(clients: &OAuthClients, method: &Method) -> Result<String, Failure> {
    let path = method.rest_path().ok_or_else(|| Failure::internal(NoRestPath))?;
    Ok(format!("{}{path}", clients.public_url))
}

/// Returns a total as its field, which is 32 bits wide: a greater one becomes the greatest number.
pub(super) fn total_results(total: Option<u64>) -> Option<i32> {
    total.map(|total| i32::try_from(total).unwrap_or(i32::MAX))
}
