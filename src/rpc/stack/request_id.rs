//! Names each call, so that its log lines and its answer can be matched.

use std::{
    convert::Infallible,
    task::{Context, Poll},
};

use futures_util::{FutureExt as _, future::Map};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use tonic::body::Body;
use tower::Service;
use uuid::Uuid;

/// The header that carries the id, in requests and answers.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const MAX_LEN: usize = 128;

/// Takes the id that the caller gave, or makes one, and puts it into the request and the answer.
#[derive(Debug, Clone)]
pub struct RequestId<S> {
    inner: S,
}

impl<S> RequestId<S> {
    /// A service whose calls have ids.
    pub fn new(inner: S) -> Self {
        Self { inner }
    }
}

type Answer = Result<Response<Body>, Infallible>;

impl<S, B> Service<Request<B>> for RequestId<S>
where
    S: Service<Request<B>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Map<S::Future, Box<dyn FnOnce(Answer) -> Answer + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let id = given_id(request.headers()).unwrap_or_else(new_id);
        request.headers_mut().insert(X_REQUEST_ID, id.clone());
        self.inner.call(request).map(Box::new(|answer: Answer| {
            answer.map(|mut answer| {
                answer.headers_mut().insert(X_REQUEST_ID, id);
                answer
            })
        }))
    }
}

/// The caller's own id, if it is short and visible ASCII, so that it cannot forge log lines.
fn given_id(headers: &HeaderMap) -> Option<HeaderValue> {
    let id = headers.get(X_REQUEST_ID)?;
    let printable = id.as_bytes().iter().all(u8::is_ascii_graphic);
    (printable && (1..=MAX_LEN).contains(&id.len())).then(|| id.clone())
}

#[expect(clippy::disallowed_methods, reason = "the layer owns the ids of requests")]
fn new_id() -> HeaderValue {
    // A UUID is visible ASCII, so the fallback is never taken.
    HeaderValue::try_from(Uuid::now_v7().to_string()).unwrap_or(HeaderValue::from_static("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn call(id: &str) -> String {
        let echo =
            tower::service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(Body::empty())) });
        let request = Request::builder().header(X_REQUEST_ID, id).body(()).unwrap();
        let Ok(answer) = RequestId::new(echo).call(request).await;
        answer.headers()[X_REQUEST_ID].to_str().unwrap().to_owned()
    }

    #[tokio::test]
    async fn the_id_of_the_caller_is_kept_if_it_is_harmless() {
        assert_eq!(call("abc-123").await, "abc-123");
        for id in ["", "a b", &"a".repeat(129)] {
            assert!(Uuid::parse_str(&call(id).await).is_ok(), "{id}");
        }
    }
}
