//! Ids of requests, by which their log lines and responses can be matched.

use std::{
    convert::Infallible,
    fmt,
    hash::{BuildHasher as _, RandomState},
    pin::Pin,
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::{SystemTime, UNIX_EPOCH},
};

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use pin_project_lite::pin_project;
use tonic::body::Body;
use tower::Service;
use uuid::{Builder, Uuid};

use super::HttpService;
use crate::{
    domain::{idempotency_key::IdempotencyKey, ids::CorrelationId},
    pb,
    single_header::single_header,
};

/// The header that carries the id, in requests and responses.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The headers of an idempotency key, the second of which becomes metadata of the same name as the first.
const IDEMPOTENCY_KEYS: [HeaderName; 2] = [
    HeaderName::from_static("idempotency-key"),
    HeaderName::from_static("grpc-metadata-idempotency-key"),
];

/// The caller's own id of a request that may have the same one as its idempotency key, in the extensions of a request. Its
/// handler decides, which knows the message. Until then the request has another id.
#[derive(Clone)]
pub(crate) struct HeldBackId {
    id: HeaderValue,
    key: IdempotencyKey,
}

impl fmt::Debug for HeldBackId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HeldBackId(…)")
    }
}

impl HeldBackId {
    /// Returns the id, unless it is the idempotency key of the request.
    pub(crate) fn unless_it_is(&self, key: Option<&IdempotencyKey>) -> Option<&HeaderValue> {
        (Some(&self.key) != key).then_some(&self.id)
    }
}

/// The message of a request has no idempotency key but that of its headers, which is not its id. In the extensions of a
/// request.
#[derive(Debug, Clone, Copy)]
struct KeyIsKnown;

/// Decides on the id of a request whose idempotency key can only be among headers that it has no longer.
pub(crate) fn compare_id_with_key<B>(headers: &HeaderMap, request: &mut Request<B>) {
    let Some(key) = request.headers().get(X_REQUEST_ID).and_then(key_in) else {
        return;
    };
    if is_in_header(key, headers) {
        request.headers_mut().remove(X_REQUEST_ID);
    } else {
        request.extensions_mut().insert(KeyIsKnown);
    }
}

/// Gives each request an id, and its response the same. The caller's own id is kept if it is single, short and visible
/// ASCII, so that it cannot forge log lines, and if it is not the idempotency key of the request, which must be in no log.
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
        let id = match sent(&request).cloned() {
            Some(id) => own_id(id, &mut request),
            None => new_id(),
        };
        // One of several equal ones stays.
        request.headers_mut().insert(X_REQUEST_ID, id.clone());
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
            // Unless the caller's own was held back, and is there by now.
            response.headers_mut().entry(X_REQUEST_ID).or_insert(id);
        }
        Poll::Ready(Ok(response))
    }
}

/// Gives a response that does not come from the stack the id of its request.
pub(crate) fn with_id<A, B>(request: &Request<A>, mut response: Response<B>) -> Response<B> {
    let is_key = |id: &HeaderValue| key_in(id).is_some_and(|key| is_in_header(key, request.headers()));
    let id = sent(request).filter(|id| !is_key(id)).cloned();
    response
        .headers_mut()
        .insert(X_REQUEST_ID, id.unwrap_or_else(new_id));
    response
}

/// Returns the caller's own id of a request, if it is acceptable.
fn sent<B>(request: &Request<B>) -> Option<&HeaderValue> {
    let sent = single_header(request.headers(), X_REQUEST_ID).ok().flatten();
    sent.filter(|id| CorrelationId::is_well_formed(id.as_bytes()))
}

/// Returns the caller's own id of a request, or a new one instead if it is the idempotency key, or may be.
fn own_id<B>(id: HeaderValue, request: &mut Request<B>) -> HeaderValue {
    let Some(key) = key_in(&id) else {
        return id;
    };
    if is_in_header(key, request.headers()) {
        return new_id();
    }
    let is_known = request.extensions().get::<KeyIsKnown>().is_some();
    if !is_known && may_be_in_message(request.uri().path()) {
        request.extensions_mut().insert(HeldBackId { id, key });
        return new_id();
    }
    id
}

/// Returns the idempotency key that an id might be.
fn key_in(id: &HeaderValue) -> Option<IdempotencyKey> {
    IdempotencyKey::find_in(id.to_str().ok()?)
}

fn is_in_header(key: IdempotencyKey, headers: &HeaderMap) -> bool {
    let mut sent = IDEMPOTENCY_KEYS
        .into_iter()
        .flat_map(|name| headers.get_all(name));
    sent.any(|sent| key_in(sent) == Some(key))
}

/// Returns `true` if a path is that of a gRPC method whose message may have an idempotency key.
fn may_be_in_message(path: &str) -> bool {
    let target = pb::protos().ok().and_then(|protos| protos.target(path));
    let method = target.and_then(pb::Target::method);
    method.is_some_and(|method| {
        let mut fields = method.header_fields.iter();
        fields.any(|field| IDEMPOTENCY_KEYS.contains(&field.header))
    })
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

    const KEY: &str = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";
    const CHANGE: &str = "/oauth_clients.v1.OAuthClientService/EnableOAuthClient";

    /// Returns the id that the inner service gets, and that of the response.
    async fn call(id: &str) -> [String; 2] {
        let (ids, _) = call_with(Request::get("/").header(X_REQUEST_ID, id)).await;
        ids
    }

    /// Returns the same, and the id that is held back.
    async fn call_with(request: http::request::Builder) -> ([String; 2], Option<HeldBackId>) {
        let echo = tower::service_fn(async |request: Request<()>| {
            let mut response = Response::new(Body::empty());
            let id = request.headers()[X_REQUEST_ID].clone();
            response.headers_mut().insert("seen", id);
            *response.extensions_mut() = request.extensions().clone();
            Ok::<_, Infallible>(response)
        });
        let request = request.body(()).unwrap();
        let Ok(response) = SetRequestId::new(echo).call(request).await;
        let text = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        let ids = [text("seen"), text("x-request-id")];
        (ids, response.extensions().get().cloned())
    }

    #[tokio::test]
    async fn an_id_that_is_the_idempotency_key_is_replaced() {
        for header in ["idempotency-key", "grpc-metadata-idempotency-key"] {
            for id in [KEY, &KEY.to_uppercase(), &KEY.replace('-', "")] {
                let request = Request::get(CHANGE)
                    .header(X_REQUEST_ID, id)
                    .header(header, "a")
                    .header(header, format!("\"{KEY}\""));
                let ([seen, sent], held_back) = call_with(request).await;
                assert_eq!(seen, sent);
                assert_ne!(seen, id);
                assert!(held_back.is_none());
            }
        }
    }

    #[tokio::test]
    async fn an_id_is_held_back_only_if_the_message_may_have_it_as_a_key() {
        let key = IdempotencyKey::parse(KEY).ok();
        let ([seen, sent], held_back) = call_with(Request::get(CHANGE).header(X_REQUEST_ID, KEY)).await;
        assert_eq!(seen, sent);
        assert_ne!(seen, KEY);
        let held_back = held_back.unwrap();
        assert_eq!(held_back.unless_it_is(None).unwrap(), KEY);
        assert_eq!(held_back.unless_it_is(key.as_ref()), None);

        let get = CHANGE.replace("Enable", "Get");
        let version_1 = KEY.replace("-4", "-1");
        for (path, id) in [
            (get.as_str(), KEY),
            ("/api/core/oauth-clients", KEY),
            (CHANGE, "mine"),
            (CHANGE, &version_1),
        ] {
            let (ids, held_back) = call_with(Request::get(path).header(X_REQUEST_ID, id)).await;
            assert_eq!(ids, [id; 2], "{path}");
            assert!(held_back.is_none(), "{path}");
        }
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
