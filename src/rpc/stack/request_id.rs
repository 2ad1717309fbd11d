//! Ids of requests, by which their log lines and responses can be matched.

use std::{
    convert::Infallible,
    hash::{BuildHasher as _, RandomState},
    pin::Pin,
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::{SystemTime, UNIX_EPOCH},
};

use http::{HeaderName, HeaderValue, Request, Response};
use pin_project_lite::pin_project;
use tonic::body::Body;
use tower::Service;
use uuid::{Builder, Uuid};

use super::HttpService;
use crate::{domain::ids::CorrelationId, single_header::single_header};

/// The header that carries the id, in requests and responses.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Gives each request an id, and its response the same. The caller's own id is kept if it is single, short and visible
/// ASCII, so that it cannot forge log lines.
#[derive(Debug, Clone)]
pub(super) struct SetRequestId<S> {
    inner: S,
}

impl<S> SetRequestId<S> {
    pub(super) fn new(inner: S) -> Self {
        Self { inner }
    }
}

impl<S, B> Service<Request<B>> for SetRequestId<S>
where
    S: HttpService<B>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let id = id(&request);
        let headers = request.headers_mut();
        // One of several equal ones stays.
        headers.insert(X_REQUEST_ID, id.clone());
        ResponseFuture {
            inner: self.inner.call(request),
            id: Some(id),
        }
    }
}

pin_project! {
    /// The future of a response, which gets the id of its request.
    pub(super) struct ResponseFuture<F> {
        #[pin]
        inner: F,
        id: Option<HeaderValue>,
    }
}

impl<F> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<Body>, Infallible>>,
{
    type Output = Result<Response<Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Ok(mut response) = ready!(this.inner.poll(cx));
        if let Some(id) = this.id.take() {
            response.headers_mut().insert(X_REQUEST_ID, id);
        }
        Poll::Ready(Ok(response))
    }
}

/// Gives a response that does not come from the stack the id of its request.
pub(crate) fn with_id<A, B>(request: &Request<A>, mut response: Response<B>) -> Response<B> {
    response.headers_mut().insert(X_REQUEST_ID, id(request));
    response
}

/// Returns the id of a request: its own if that is acceptable, or else a new one.
fn id<B>(request: &Request<B>) -> HeaderValue {
    let sent = single_header(request.headers(), X_REQUEST_ID).ok().flatten();
    match sent
        .filter(|id| CorrelationId::is_well_formed(id.as_bytes()))
        .cloned()
    {
        Some(id) => id,
        None => new_id(),
    }
}

fn new_id() -> HeaderValue {
    let mut text = Uuid::encode_buffer();
    let text = new_uuid().hyphenated().encode_lower(&mut text);
    // A UUID is visible ASCII, so it always is a value.
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("none"))
}

/// Makes a UUID version 7. Its bits are a keyed hash of a counter: they need to be unique, not secret, and the operating
/// system's generator takes longer than the rest of the layer.
#[expect(clippy::disallowed_methods, reason = "the layer owns the ids of requests")]
fn new_uuid() -> Uuid {
    static KEYS: LazyLock<[RandomState; 2]> = LazyLock::new(Default::default);
    static COUNT: AtomicU64 = AtomicU64::new(0);

    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let [high, low] = KEYS.each_ref().map(|key| key.hash_one(count));
    let bits = u128::from(high) << 64 | u128::from(low);
    let [_, _, _, _, _, _, bits @ ..] = bits.to_be_bytes();
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let millis = u64::try_from(since_1970.as_millis()).unwrap_or_default();
    Builder::from_unix_timestamp_millis(millis, &bits).into_uuid()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// Returns the id that the inner service gets, and that of the response.
    async fn call(id: &str) -> [String; 2] {
        let echo = tower::service_fn(async |request: Request<()>| {
            let mut response = Response::new(Body::empty());
            let id = request.headers()[X_REQUEST_ID].clone();
            response.headers_mut().insert("seen", id);
            Ok::<_, Infallible>(response)
        });
        let request = Request::builder().header(X_REQUEST_ID, id).body(()).unwrap();
        let Ok(response) = SetRequestId::new(echo).call(request).await;
        ["seen", "x-request-id"].map(|name| response.headers()[name].to_str().unwrap().to_owned())
    }

    #[tokio::test]
    async fn the_id_of_the_caller_is_kept_if_it_is_harmless() {
        assert_eq!(call("abc-123").await, ["abc-123"; 2]);
        for id in ["", "a b", &"a".repeat(129)] {
            let [seen, sent] = call(id).await;
            assert_eq!(seen, sent, "{id}");
            assert_eq!(Uuid::parse_str(&sent).unwrap().get_version_num(), 7, "{id}");
        }
    }

    #[test]
    fn no_id_is_made_twice() {
        let ids: HashSet<HeaderValue> = (0..10_000).map(|_| new_id()).collect();
        assert_eq!(ids.len(), 10_000);
    }
}
