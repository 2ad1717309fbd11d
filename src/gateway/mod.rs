//! The REST transport: a transcoder from HTTP and JSON to the methods that the protos annotate with `google.api.http`. It
//! is independent of the API, as everything it needs to know is in the descriptors.
//!
//! A request is matched to a binding, passes the same stack of layers as a gRPC request, and only then is its body read.
//! The gRPC router is called in process.

mod binding;
mod body;
mod drain;
mod encoding;
mod envelope;
mod field_path;
mod headers;
mod host;
mod json;
mod matched;
mod messages;
mod not_modified;
mod peer;
mod request;
mod response;
mod stream;
mod template;
#[cfg(test)]
pub(crate) mod tests;
mod transcode;

use std::{
    convert::Infallible,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures_util::future::BoxFuture;
use http::{Request, Response, Uri};
use tonic::{Status, body::Body};
use tower::Service;

pub use self::binding::{BindingError, Bindings};
use self::{
    drain::DrainOnDrop,
    matched::{MatchOutcome, Matched, RequireMatch},
    transcode::{BoxRouter, transcoder},
};
pub(crate) use self::{host::require_host, peer::PeerPresence};
use crate::{
    pb::Protos,
    rpc::{
        failure::Failure,
        stack::{Stack, StackConfig, request_id::compare_id_with_key, stack},
    },
};

/// The service that responds to REST requests.
#[derive(Debug, Clone)]
pub struct Gateway {
    protos: &'static Protos,
    bindings: Arc<Bindings>,
    stack: Stack<DrainOnDrop>,
}

impl Gateway {
    /// Creates a gateway to the methods behind `router`.
    ///
    /// # Errors
    /// Returns an error if an HTTP annotation of the protos is not valid.
    pub fn new(
        protos: &'static Protos,
        config: StackConfig,
        router: BoxRouter,
    ) -> Result<Self, BindingError> {
        Ok(Self {
            protos,
            bindings: Arc::new(Bindings::read(protos)?),
            stack: stack(config, RequireMatch, transcoder(protos, router)),
        })
    }

    /// Matches a request, and addresses it to the gRPC path of the method, with metadata instead of headers.
    fn matched(&self, request: Request<axum::body::Body>) -> Request<DrainOnDrop> {
        let host = require_host(&request);
        let (parts, body) = request.into_parts();
        let found = self.bindings.find(&parts.method, parts.uri.path());
        let mut matched = Request::new(DrainOnDrop::new(body));
        *matched.headers_mut() = headers::metadata(&parts.headers);
        compare_id_with_key(&parts.headers, &mut matched);
        *matched.uri_mut() = match &found {
            Ok((binding, _)) => binding.uri.clone(),
            Err(_) => Uri::try_from(parts.uri.path()).unwrap_or_default(),
        };
        let outcome = found.map(|(binding, variables)| {
            let query = parts.uri.query().map(str::to_owned);
            Arc::new(Matched {
                binding,
                variables,
                query,
                headers: parts.headers,
            })
        });
        matched
            .extensions_mut()
            .insert(MatchOutcome { host, found: outcome });
        matched
    }
}

impl Service<Request<axum::body::Body>> for Gateway {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.stack.poll_ready(cx)
    }

    fn call(&mut self, request: Request<axum::body::Body>) -> Self::Future {
        let matched = self.matched(request);
        ResponseFuture {
            protos: self.protos,
            inner: self.stack.call(matched),
        }
    }
}

/// The future of a response, which becomes one of REST.
pub struct ResponseFuture {
    protos: &'static Protos,
    inner: BoxFuture<'static, Result<Response<Body>, Infallible>>,
}

impl fmt::Debug for ResponseFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

impl Future for ResponseFuture {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Ok(response) = ready!(self.inner.as_mut().poll(cx));
        Poll::Ready(Ok(response::finish(self.protos, response)))
    }
}

/// Returns the REST response for a failure outside of any method.
pub fn error_response(protos: &Protos, failure: Failure) -> Response<Body> {
    response::finish(protos, Status::from(failure).into_http())
}
