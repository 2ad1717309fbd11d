//! Ids of requests, by which their log lines and responses can be matched.

use http::{HeaderName, HeaderValue, Request};
use tower_http::request_id::{MakeRequestId, RequestId};
use uuid::Uuid;

use crate::single_header::single_header;

/// The header that carries the id, in requests and responses.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const MAX_LEN: usize = 128;

/// Makes a UUID version 7 for each request that comes without an id.
#[derive(Debug, Clone, Copy)]
pub(super) struct NewRequestId;

impl MakeRequestId for NewRequestId {
    #[expect(clippy::disallowed_methods, reason = "the layer owns the ids of requests")]
    fn make_request_id<B>(&mut self, _: &Request<B>) -> Option<RequestId> {
        // A UUID is visible ASCII, so there always is one.
        let id = HeaderValue::try_from(Uuid::now_v7().to_string()).ok()?;
        Some(RequestId::new(id))
    }
}

/// Keeps the caller's own id only if it is single, short and visible ASCII, so that it cannot forge log lines.
pub(super) fn drop_malformed<B>(mut request: Request<B>) -> Request<B> {
    let headers = request.headers_mut();
    let id = single_header(headers, X_REQUEST_ID).ok().flatten();
    match id.filter(|id| is_well_formed(id)).cloned() {
        Some(id) => drop(headers.insert(X_REQUEST_ID, id)),
        None => drop(headers.remove(X_REQUEST_ID)),
    }
    request
}

fn is_well_formed(id: &HeaderValue) -> bool {
    (1..=MAX_LEN).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http::Response;
    use tonic::body::Body;
    use tower::{Service as _, ServiceBuilder};
    use tower_http::request_id::{PropagateRequestIdLayer, SetRequestIdLayer};

    use super::*;

    async fn call(id: &str) -> String {
        let mut service = ServiceBuilder::new()
            .map_request(drop_malformed)
            .layer(SetRequestIdLayer::x_request_id(NewRequestId))
            .layer(PropagateRequestIdLayer::x_request_id())
            .service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new(Body::empty())));
        let request = Request::builder().header(X_REQUEST_ID, id).body(()).unwrap();
        let Ok(response) = service.call(request).await;
        response.headers()[X_REQUEST_ID].to_str().unwrap().to_owned()
    }

    #[tokio::test]
    async fn the_id_of_the_caller_is_kept_if_it_is_harmless() {
        assert_eq!(call("abc-123").await, "abc-123");
        for id in ["", "a b", &"a".repeat(129)] {
            assert!(Uuid::parse_str(&call(id).await).is_ok(), "{id}");
        }
    }
}
